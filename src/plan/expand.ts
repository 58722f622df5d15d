/** Turns a job's lists into the combinations it asks for, and says which file each of them makes. */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { UserError } from '../errors/errors.ts';
import { type CodeReference, parseCode } from '../spec/code.ts';
import { optional } from '../spec/explain.ts';
import type { Job } from '../spec/job.ts';
import { ARCHITECTURES, architecture, CUSTOM } from '../spec/names.ts';
import { nearest } from '../spec/nearest.ts';
import type { TaskModel } from '../spec/task.ts';
import { artifactName, checkpointName } from './names.ts';

/** Where a spec says none; what built-in networks have too. */
const CUSTOM_IMAGE_SIZE = 32;

export interface Artifact {
  readonly recipe: string;
  readonly level: 1 | 2 | 3 | 4 | 5;
  readonly path: string;
}

interface Network {
  readonly model: TaskModel;
  readonly family: string;
  /** File of published weights that its training starts from. */
  readonly weights?: string;
  /** What makes a network that is not built in; the path is absolute. */
  readonly code?: CodeReference;
  /** Nobody but its checkpoint can say which network it is. */
  readonly isUnnamed?: true;
  readonly numClasses?: number;
  readonly normalisation?: { readonly mean: number[]; readonly std: number[] };
}

/** One network on one data set with one seed: one original and its artifacts. */
export interface Combination extends Network {
  readonly dataset: string;
  readonly seed: number;
  readonly checkpoint: string;
  /** The user brought the checkpoint: it is not trained. */
  readonly given: boolean;
  readonly artifacts: readonly Artifact[];
  /** Measured as it is, in rows of its own. */
  readonly isBaseline: boolean;
}

/** `recipeNames` maps what stands in the job (a name or a path) to the recipe's own name. */
export function expandJob(
  job: Job,
  workspace: string,
  recipeNames: ReadonlyMap<string, string>,
): Combination[] {
  return requested(job.models).flatMap(({ network: found, isCompressed, isBaseline }) => {
    const { checkpoint, ...network } = found;
    const { model } = network;
    if (checkpoint !== undefined && job.kind === 'train') {
      throw new UserError('model_not_trained', `model ${model.name} has a checkpoint, so it is not trained`, [
        'Leave out "checkpoint" to train it, or use kind "compress" or "sweep".',
      ]);
    }
    return job.datasets.flatMap((data) => {
      const dataset = typeof data === 'string' ? data : data.name;
      return job.seeds.map((seed): Combination => {
        const trained = { model: model.name, dataset, seed };
        return {
          ...network,
          dataset,
          seed,
          checkpoint:
            checkpoint ??
            (job.kind === 'train' ? job.output : undefined) ??
            join(workspace, 'checkpoints', checkpointName(trained)),
          given: checkpoint !== undefined,
          artifacts:
            isCompressed && job.kind !== 'train' ? artifactsOf(job, trained, workspace, recipeNames) : [],
          isBaseline,
        };
      });
    });
  });
}

function artifactsOf(
  job: Exclude<Job, { kind: 'train' }>,
  trained: { model: string; dataset: string; seed: number },
  workspace: string,
  recipeNames: ReadonlyMap<string, string>,
): Artifact[] {
  return job.recipes.flatMap((reference) => {
    const recipe = recipeNames.get(reference) ?? reference;
    return job.levels.map((level) => ({
      recipe: reference,
      level: level as Artifact['level'],
      path:
        (job.kind === 'compress' ? job.output : undefined) ??
        join(workspace, 'compressed_models', artifactName({ ...trained, recipe, level })),
    }));
  });
}

type NamedModel = Exclude<Job['models'][number], string>;
type Found = Network & { readonly checkpoint?: string };

/** A network of the job and what is asked of it: to be compressed, to be measured as it is, or both. */
interface Requested {
  readonly network: Found;
  readonly isCompressed: boolean;
  readonly isBaseline: boolean;
}

/** One that is listed with `baseline` and without it is one network, trained once. */
function requested(models: Job['models']): Requested[] {
  const all: Requested[] = [];
  for (const entry of models) {
    const given: NamedModel = typeof entry === 'string' ? { name: entry } : entry;
    const isBaseline = given.baseline === true;
    const network = resolveModel(given);
    const index = all.findIndex(
      (other) =>
        other.network.model.name === given.name && !(isBaseline ? other.isBaseline : other.isCompressed),
    );
    const other = all[index];
    if (other === undefined) {
      all.push({ network, isCompressed: !isBaseline, isBaseline });
      continue;
    }
    if (!isDeepStrictEqual(other.network, network)) {
      throw new UserError(
        'model_twice',
        `two models of the job are called ${given.name} and differ in more than "baseline"`,
        ['Give each a name of its own, or both the same keys but for "baseline".'],
      );
    }
    all[index] = { network, isCompressed: true, isBaseline: true };
  }
  return all;
}

function resolveModel(given: NamedModel): Found {
  const { mean, std } = given;
  return {
    ...(given.code === undefined ? namedNetwork(given) : customNetwork(given)),
    ...optional('code', given.code === undefined ? undefined : parseCode(given.code)),
    ...optional('numClasses', given.num_classes),
    ...(mean === undefined || std === undefined ? {} : { normalisation: { mean, std } }),
    ...optional('checkpoint', given.checkpoint),
  };
}

function customNetwork({ name, image_size }: NamedModel): Pick<Network, 'model' | 'family'> {
  return {
    model: { name, arch: CUSTOM, image_size: image_size ?? CUSTOM_IMAGE_SIZE },
    family: CUSTOM,
  };
}

function namedNetwork(given: NamedModel): Pick<Network, 'model' | 'family' | 'weights' | 'isUnnamed'> {
  const arch = given.arch ?? given.name;
  const known = architecture(arch);
  if (known === undefined && given.arch === undefined && given.checkpoint !== undefined) {
    return { ...customNetwork(given), isUnnamed: true };
  }
  if (known === undefined) {
    const names = Object.keys(ARCHITECTURES);
    const guess = nearest(arch, names);
    throw new UserError('model_unknown', `unknown model "${arch}"; known: ${names.join(', ')}`, [
      guess === undefined
        ? 'Name one of the known models, or give "arch" or "code" beside "name".'
        : `Did you mean "${guess}"?`,
    ]);
  }
  const weights = given.weights && known.weights[given.weights];
  return {
    model: {
      name: given.name,
      arch,
      stem: given.stem ?? known.stems[0],
      image_size: given.image_size ?? known.image_size.default,
    },
    family: known.family,
    ...optional('weights', weights),
  };
}
