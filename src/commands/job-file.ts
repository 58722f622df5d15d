/** From what a user gave (a file, flags) to a checked job whose paths are absolute. */
import { resolve } from 'node:path';
import { UserError } from '../errors/errors.ts';
import { readLayers } from '../run/read-layers.ts';
import { checkJob } from '../spec/check-job.ts';
import { parseCode } from '../spec/code.ts';
import { drawProblems, UPDATE } from '../spec/draw-problem.ts';
import type { Job, JobKind } from '../spec/job.ts';
import { type Layer, layerOf } from '../spec/layers.ts';
import { FLAGS_EXPLAINED, flagAt } from './job-flags.ts';

/** `shown` is the path as the user wrote it; `set` lies above what the file says. */
export function readJobFile(file: string, shown = file, set: readonly Layer[] = []): Job {
  return checked([...readLayers(file, shown), ...set], 'Every key with its meaning: capstone schema job');
}

/** The job in a run's folder: what it leaves relative starts at the workspace, as it did when it was planned. */
export function readRunJob(file: string, workspace: string): Job {
  const layers = readLayers(file).map((layer) => ({ ...layer, folder: workspace }));
  return checked(layers, 'Start a new run from its spec.');
}

/** A job that flags stand for; relative paths in it start at `folder`. */
export function checkFlags(raw: Record<string, unknown>, folder: string): Job {
  const kind = raw['kind'] as JobKind;
  const layer: Layer = { name: 'flags', folder, value: raw, flagAt: (path) => flagAt(kind, path) };
  return checked([layer], FLAGS_EXPLAINED);
}

function checked(layers: readonly Layer[], next: string): Job {
  const job = checkJob(layers);
  if (!job.ok) {
    throw new UserError('spec_invalid', drawProblems(job.problems), [job.fromTheFuture ? UPDATE : next]);
  }
  return withAbsolutePaths(job.value, layers);
}

/** A default is no path the user wrote: `data` stays relative to the workspace unless it was given. */
function withAbsolutePaths(job: Job, layers: readonly Layer[]): Job {
  const absolute = (path: string, ...at: PropertyKey[]) => {
    const layer = layerOf(layers, at);
    return layer === undefined ? path : resolve(layer.folder, path);
  };
  return {
    ...job,
    models: job.models.map((model, index) =>
      typeof model === 'string' ? model : withAbsoluteFiles(model, (path) => absolute(path, 'models', index)),
    ),
    datasets: job.datasets.map((data, index) =>
      typeof data === 'string' ? data : { ...data, path: absolute(data.path, 'datasets', index) },
    ),
    data_root: absolute(job.data_root, 'data_root'),
    ...('recipes' in job
      ? {
          recipes: job.recipes.map((recipe, index) =>
            isPath(recipe) ? absolute(recipe, 'recipes', index) : recipe,
          ),
        }
      : {}),
    ...('output' in job && job.output !== undefined ? { output: absolute(job.output, 'output') } : {}),
  };
}

type NamedModel = Exclude<Job['models'][number], string>;

function withAbsoluteFiles(model: NamedModel, absolute: (path: string) => string): NamedModel {
  const { code, checkpoint } = model;
  const { path, function: name } = code === undefined ? {} : parseCode(code);
  return {
    ...model,
    ...(path === undefined ? {} : { code: `${absolute(path)}:${name}` }),
    ...(checkpoint === undefined ? {} : { checkpoint: absolute(checkpoint) }),
  };
}

function isPath(recipe: string): boolean {
  return recipe.includes('/') || recipe.endsWith('.json');
}
