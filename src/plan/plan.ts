/**
 * From a job to its tasks, in an order that respects needs, each with the reason why it runs or need not.
 * Pure: no disk, no clock. What it must know of the world is handed in as `Known`.
 */
import { UserError } from '../errors/errors.ts';
import type { Job } from '../spec/job.ts';
import { ARCHITECTURES } from '../spec/names.ts';
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
  if ('benchmark' in job) refuseMissingRuntimes(job.benchmark.runtimes, known.software);
  const tasks = expandJob(job, known.workspace, namesOf(known.recipes))
    .map((combination) => asRecorded(combination, known))
    .flatMap((combination) => planCombination(job, combination, known));
  const made = tasks.map(({ task }) => ({
    id: task.id,
    output: task.kind === 'benchmark' ? undefined : task.paths.output,
  }));
  refuseTwins(made);
  refuseSharedOutputs(made);
  return { tasks: inStages(tasks) };
}

/** Refuses a job that could not be planned whatever lies on the disk, in the words of `planJob`. */
export function refuseUnplannable(job: Job, recipes: ReadonlyMap<string, Recipe>): void {
  const combinations = expandJob(job, '', namesOf(recipes));
  for (const { artifacts, family, isUnnamed } of combinations) {
    if (isUnnamed) continue; // its checkpoint says the family
    for (const { recipe, level } of artifacts) {
      const found = recipes.get(recipe);
      if (found !== undefined) stepsOf(found, family, level);
    }
  }
  const made = combinations.flatMap((combination) => wouldMake(job, combination, recipes));
  refuseTwins(made);
  refuseSharedOutputs(made);
}

/** What a task would be called, and what it would write, a benchmark no file of its own. */
interface Making {
  readonly id: string;
  readonly output: string | undefined;
}

function wouldMake(
  job: Job,
  { model, dataset, seed, checkpoint, given, artifacts }: Combination,
  recipes: ReadonlyMap<string, Recipe>,
): Making[] {
  const original = { model: model.name, dataset, seed };
  if (job.kind === 'train') return [{ id: taskId('train', original), output: checkpoint }];
  const trained =
    job.kind === 'sweep' && !given ? [{ id: taskId('train', original), output: checkpoint }] : [];
  const kind = job.kind === 'benchmark' ? 'benchmark' : 'compress';
  const ofLevels = artifacts.map(({ recipe, level, path }) => ({
    id: taskId(kind, original, recipes.get(recipe)?.name ?? recipe, level),
    output: kind === 'benchmark' ? undefined : path,
  }));
  return [...trained, ...ofLevels];
}

function namesOf(recipes: ReadonlyMap<string, Recipe>): ReadonlyMap<string, string> {
  return new Map([...recipes].map(([reference, recipe]) => [reference, recipe.name]));
}

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
  const trains = (job.kind === 'train' || job.kind === 'sweep') && !combination.given;
  const training = trains ? planTraining(job, combination, known) : undefined;
  const original: OriginalInput = training
    ? { key: training.task.key, task: training, told: NOTHING }
    : readOriginal(combination, known);
  const compressed = combination.artifacts.flatMap((artifact) => {
    const compressing =
      job.kind === 'compress' || job.kind === 'sweep'
        ? planCompression(job.device, combination, artifact, original, known)
        : undefined;
    const input: Input = compressing
      ? { key: compressing.task.key, task: compressing }
      : { key: artifactKey(combination, artifact, known) };
    const measuring =
      job.kind === 'benchmark' || job.kind === 'sweep'
        ? planBenchmark(job.benchmark, combination, artifact, original, input, known)
        : undefined;
    return [compressing, measuring];
  });
  const alone =
    combination.isBaseline && 'benchmark' in job
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
function refuseTwins(made: readonly Making[]): void {
  const seen = new Set<string>();
  for (const { id } of made) {
    if (seen.has(id)) {
      throw new UserError('task_twice', `the job asks for ${id} twice`, [
        'Give each model, data set and recipe a name of its own.',
      ]);
    }
    seen.add(id);
  }
}

function refuseSharedOutputs(made: readonly Making[]): void {
  const makers = new Map<string, string>();
  for (const { id, output } of made) {
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
