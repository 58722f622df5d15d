/**
 * From a job to its tasks, in an order that respects needs, each with the reason why it runs or need not.
 * Pure: no disk, no clock. What it must know of the world is handed in as `Known`.
 */
import { UserError } from '../errors/errors.ts';
import type { Job } from '../spec/job.ts';
import { ARCHITECTURES, DENSE } from '../spec/names.ts';
import { nearest } from '../spec/nearest.ts';
import type { Recipe } from '../spec/recipe.ts';
import type { Combination } from './expand.ts';
import { expandJob } from './expand.ts';
import { artifactKey, type Input, type OriginalInput, readOriginal } from './input.ts';
import type { Known } from './known.ts';
import { taskId } from './names.ts';
import { planBenchmark, planDenseBenchmark } from './plan-benchmark.ts';
import { planCompression, stepsOf } from './plan-compression.ts';
import { planTraining } from './plan-training.ts';
import type { Plan, PlannedTask } from './planned.ts';
import { refuseMissingRuntimes } from './refuse-input.ts';
import { NOTHING } from './told.ts';

export function planJob(job: Job, known: Known): Plan {
  if (measures(job)) refuseMissingRuntimes(job.benchmark.runtimes, known.software);
  const tasks = plannable(job, known.workspace, known.recipes)
    .map((combination) => asRecorded(combination, known))
    .flatMap((combination) => planCombination(job, combination, known));
  return { tasks: inStages(tasks) };
}

/** The networks of a job. Refuses what no state of the disk could make a plan of. */
export function plannable(
  job: Job,
  workspace: string,
  recipes: ReadonlyMap<string, Recipe>,
): readonly Combination[] {
  const names = new Map([...recipes].map(([reference, recipe]) => [reference, recipe.name]));
  const combinations = expandJob(job, workspace, names);
  if (compresses(job)) for (const combination of combinations) refuseOtherFamilies(combination, recipes);
  const makings = combinations.flatMap((combination) => makingsOf(job, combination, names));
  refuseTwins(makings);
  refuseSharedOutputs(makings);
  return combinations;
}

/** What a task is called, and what it writes; a benchmark has no file of its own. */
interface Making {
  readonly id: string;
  readonly output?: string;
}

function makingsOf(
  job: Job,
  { model, dataset, seed, checkpoint, given, artifacts, isBaseline }: Combination,
  recipeNames: ReadonlyMap<string, string>,
): readonly Making[] {
  const original = { model: model.name, dataset, seed };
  const training = trains(job) && !given ? [{ id: taskId('train', original), output: checkpoint }] : [];
  const ofLevels = artifacts.map(({ recipe, level, path }) => {
    const name = recipeNames.get(recipe) ?? recipe;
    return compresses(job)
      ? { id: taskId('compress', original, name, level), output: path }
      : { id: taskId('benchmark', original, name, level) };
  });
  const alone = isBaseline && measures(job) ? [{ id: taskId('benchmark', original, DENSE.recipe) }] : [];
  return [...training, ...ofLevels, ...alone];
}

function refuseOtherFamilies(
  { artifacts, family, isUnnamed }: Combination,
  recipes: ReadonlyMap<string, Recipe>,
): void {
  if (isUnnamed) return; // its checkpoint says the family
  for (const { recipe, level } of artifacts) {
    const found = recipes.get(recipe);
    if (found !== undefined) stepsOf(found, family, level);
  }
}

type Of<Kind extends Job['kind']> = Extract<Job, { kind: Kind }>;
const trains = (job: Job): job is Of<'train' | 'sweep'> => job.kind === 'train' || job.kind === 'sweep';
const compresses = (job: Job): job is Of<'compress' | 'sweep'> =>
  job.kind === 'compress' || job.kind === 'sweep';
const measures = (job: Job): job is Of<'benchmark' | 'sweep'> =>
  job.kind === 'benchmark' || job.kind === 'sweep';

/** A checkpoint of ours says itself which stem and size it has; whether it is the network named is asked when it is read. */
function asRecorded(combination: Combination, known: Known): Combination {
  const { checkpoint, given, isUnnamed } = combination;
  const facts = given ? known.files.get(checkpoint) : undefined;
  if (isUnnamed && facts !== undefined && facts.record === undefined && facts.unusable === undefined) {
    const guess = nearest(combination.model.name, Object.keys(ARCHITECTURES));
    throw new UserError(
      'model_arch_needed',
      `${checkpoint}: not written by capstone, so it does not say which network it belongs to`,
      [
        ...(guess === undefined ? [] : [`Did you mean "${guess}"?`]),
        'Give "arch" beside "checkpoint", or "code" for a network of your own.',
      ],
    );
  }
  if (facts?.record === undefined) return combination;
  const { arch, family, stem, image_size } = facts.record.model;
  const { stem: _asGiven, ...model } = combination.model;
  return {
    ...combination,
    ...(isUnnamed ? { family } : {}),
    model: { ...model, ...(isUnnamed ? { arch } : {}), ...(stem === undefined ? {} : { stem }), image_size },
  };
}

function planCombination(job: Job, combination: Combination, known: Known): PlannedTask[] {
  const training = trains(job) && !combination.given ? planTraining(job, combination, known) : undefined;
  const original: OriginalInput = training
    ? { key: training.task.key, task: training, told: NOTHING }
    : readOriginal(combination, known);
  const compressed = combination.artifacts.flatMap((artifact) => {
    const compressing = compresses(job)
      ? planCompression(job.device, combination, artifact, original, known)
      : undefined;
    const input: Input = compressing
      ? { key: compressing.task.key, task: compressing }
      : { key: artifactKey(combination, artifact, known) };
    const measuring = measures(job)
      ? planBenchmark(job.benchmark, combination, artifact, original, input, known)
      : undefined;
    return [compressing, measuring];
  });
  const alone =
    combination.isBaseline && measures(job)
      ? planDenseBenchmark(job.benchmark, combination, original, known)
      : undefined;
  return [training, ...compressed, alone].filter((task) => task !== undefined);
}

/** All trainings, then all compressions, then all benchmarks, so that exclusive tasks interrupt nothing. */
function inStages(tasks: readonly PlannedTask[]): PlannedTask[] {
  const stage = { train: 0, compress: 1, benchmark: 2 } as const;
  return [...tasks].sort((a, b) => stage[a.task.kind] - stage[b.task.kind]);
}

/** Names label files and rows: two things of one name would be measured as one. */
function refuseTwins(makings: readonly Making[]): void {
  const seen = new Set<string>();
  for (const { id } of makings) {
    if (seen.has(id)) {
      throw new UserError('task_twice', `the job asks for ${id} twice`, [
        'Give each model, data set and recipe a name of its own.',
      ]);
    }
    seen.add(id);
  }
}

function refuseSharedOutputs(makings: readonly Making[]): void {
  const makers = new Map<string, string>();
  for (const { id, output } of makings) {
    if (output === undefined) continue;
    const other = makers.get(output);
    if (other !== undefined) {
      throw new UserError('output_shared', `${other} and ${id} would both write ${output}`, [
        'Leave out "output" where the plan has more than one task of its kind.',
      ]);
    }
    makers.set(output, id);
  }
}
