/**
 * From a job to its tasks, in an order that respects needs, each with the reason why it runs or need not.
 * Pure: no disk, no clock. What it must know of the world is handed in as `Known`.
 */
import { basename } from 'node:path';
import { UserError } from '../errors/errors.ts';
import type { Job } from '../spec/job.ts';
import { ARCHITECTURES, type DataSourceKind, type Device, type Precision } from '../spec/names.ts';
import { nearest } from '../spec/nearest.ts';
import { type Recipe, STEP_RULES, type Step } from '../spec/recipe.ts';
import type { ModelRecord } from '../spec/record.ts';
import type { Row } from '../spec/row.ts';
import type { BenchmarkTask, CompressTask, Task, TaskModel, TrainTask } from '../spec/task.ts';
import type { Artifact, Combination } from './expand.ts';
import { expandJob } from './expand.ts';
import type { Software } from './key.ts';
import { taskKey } from './key.ts';
import { taskId } from './names.ts';
import type { PrecisionRow } from './precision.ts';
import { resolvePrecision } from './precision.ts';
import { type Expected, refuseMissingRuntimes, refuseOtherModel, refuseOtherParent } from './refuse-input.ts';
import { NOTHING, type Told, toldOf } from './told.ts';

/** What is known of a file: its digest, and its record where it is a file of ours. */
export interface FileFacts {
  readonly sha256: string;
  readonly record?: ModelRecord;
  /** Why no task could read it. */
  readonly unusable?: UserError;
}

export interface Known {
  readonly workspace: string;
  readonly software: Software;
  readonly cpu: BenchmarkTask['cpu'];
  /** Class of the instruction set, as in the precision table. */
  readonly isa: string;
  /** CPUs this process may use. */
  readonly threads: number;
  readonly precisions: readonly PrecisionRow[];
  /** By the name or path that stands in the job. */
  readonly recipes: ReadonlyMap<string, Recipe>;
  /** By name. */
  readonly datasets: ReadonlyMap<
    string,
    { readonly source: DataSourceKind; readonly root: string; readonly digest: string }
  >;
  /** By absolute path; a file that is not there has no entry. */
  readonly files: ReadonlyMap<string, FileFacts>;
  /** SHA-256 of files of code by absolute path; one that is not there has no entry. */
  readonly codes: ReadonlyMap<string, string>;
  readonly rows: readonly Row[];
  /** Keys of trainings that were interrupted and can go on. */
  readonly partials: ReadonlySet<string>;
  /** Folder of the training states that can go on, by key. */
  readonly partialFolder: (key: string) => string;
  /** Files in the way may be replaced, whatever they are. */
  readonly force: boolean;
}

export interface PlannedTask {
  readonly task: Task;
  readonly label: string;
  readonly needs: readonly string[];
  /** Runs alone: a latency means nothing while another task computes. */
  readonly exclusive: boolean;
  /** Takes seconds on one CPU: several run side by side, whatever the job's `concurrency`. */
  readonly light: boolean;
  readonly upToDate: boolean;
  /** Why it runs, in words; for a task that is up to date, what is there. */
  readonly because: string;
}

export interface Plan {
  readonly tasks: readonly PlannedTask[];
}

interface Reason {
  readonly upToDate: boolean;
  readonly because: string;
}

export function planJob(job: Job, known: Known): Plan {
  if ('benchmark' in job) refuseMissingRuntimes(job.benchmark.runtimes, known.software);
  const recipeNames = new Map([...known.recipes].map(([reference, recipe]) => [reference, recipe.name]));
  const tasks = expandJob(job, known.workspace, recipeNames)
    .map((combination) => asRecorded(combination, known))
    .flatMap((combination) => planCombination(job, combination, known));
  refuseTwins(tasks);
  refuseSharedOutputs(tasks);
  return { tasks: inStages(tasks) };
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
        ? planBenchmark(job, combination, artifact, original, input, known)
        : undefined;
    return [compressing, measuring];
  });
  return [training, ...compressed].filter((task) => task !== undefined);
}

/** An original, and what a task that reads it must be told of it. */
interface OriginalInput extends Input {
  readonly told: Told;
}

/** A file another task reads: its key, and the task of this plan that makes it, if one does. */
interface Input {
  readonly key: string;
  readonly task?: PlannedTask;
}

function planTraining(
  job: Extract<Job, { kind: 'train' | 'sweep' }>,
  combination: Combination,
  known: Known,
): PlannedTask {
  const data = datasetOf(combination, known);
  const { threads, preset: _resolved, ...settings } = job.train;
  const { model, weights, seed } = combination;
  const told = toldOf(combination, known.codes);
  const keyless: Omit<TrainTask, 'key'> = {
    id: taskId('train', { model: model.name, dataset: combination.dataset, seed }),
    kind: 'train',
    threads: threads ?? known.threads,
    spec: {
      model,
      ...told.spec,
      ...(weights === undefined ? {} : { weights }),
      dataset: { name: combination.dataset, source: data.source },
      seed,
      ...elsewhere(job.device),
      train: { ...settings, precision: precisionOf(settings, combination, job.device, known) },
    },
    inputs: { dataset: data.digest },
    paths: { dataset: data.root, ...told.paths, output: combination.checkpoint, partial: '' },
  };
  const key = taskKey(keyless, known.software);
  const task: TrainTask = { ...keyless, key, paths: { ...keyless.paths, partial: known.partialFolder(key) } };
  const goesOn = known.partials.has(key) ? ', going on from where it was interrupted' : '';
  const reason = reasonForFile(task, combination.checkpoint, [], known, (record) =>
    isSameOriginal(record, combination),
  );
  return {
    task,
    label: `train ${describe(combination)}`,
    needs: [],
    exclusive: false,
    light: false,
    ...reason,
    because: reason.upToDate ? reason.because : `${reason.because}${goesOn}`,
  };
}

function planCompression(
  device: Device,
  combination: Combination,
  artifact: Artifact,
  original: OriginalInput,
  known: Known,
): PlannedTask {
  const recipe = recipeOf(artifact, known);
  const { model, dataset, seed } = combination;
  const steps = stepsOf(recipe, combination.family, artifact.level).map((step) =>
    'precision' in step ? { ...step, precision: precisionOf(step, combination, device, known) } : step,
  );
  const needs = new Set(steps.flatMap(({ step }) => STEP_RULES[step].needs));
  const data = needs.has('dataset') ? datasetOf(combination, known) : undefined;
  const light = steps.every(({ step }) => STEP_RULES[step].singleCpu);
  const keyless: Omit<CompressTask, 'key'> = {
    id: taskId('compress', { model: model.name, dataset, seed }, recipe.name, artifact.level),
    kind: 'compress',
    threads: light ? 1 : known.threads,
    spec: {
      model,
      ...original.told.spec,
      dataset,
      ...(data === undefined ? {} : { source: data.source }),
      seed,
      ...(needs.has('partial') ? elsewhere(device) : {}),
      recipe: {
        name: recipe.name,
        level: artifact.level,
        steps,
      },
    },
    inputs: { checkpoint: original.key, ...(data === undefined ? {} : { dataset: data.digest }) },
    paths: {
      checkpoint: combination.checkpoint,
      ...original.told.paths,
      ...(data === undefined ? {} : { dataset: data.root }),
      output: artifact.path,
    },
  };
  const key = taskKey(keyless, known.software);
  const partial = needs.has('partial') ? { partial: known.partialFolder(key) } : {};
  const task: CompressTask = { ...keyless, key, paths: { ...keyless.paths, ...partial } };
  return {
    task,
    label: `compress ${describe(combination)}, ${recipe.name} level ${artifact.level}`,
    needs: needsOf(original),
    exclusive: false,
    light,
    ...reasonForFile(
      task,
      artifact.path,
      [original],
      known,
      (record) =>
        isSameOriginal(record, combination) &&
        record.recipe?.name === recipe.name &&
        record.recipe.level === artifact.level,
    ),
  };
}

function planBenchmark(
  job: Extract<Job, { kind: 'benchmark' | 'sweep' }>,
  combination: Combination,
  artifact: Artifact,
  original: OriginalInput,
  compressed: Input,
  known: Known,
): PlannedTask {
  const data = datasetOf(combination, known);
  const recipe = recipeOf(artifact, known);
  const { model, dataset, seed } = combination;
  const { threads, ...settings } = job.benchmark;
  const keyless: Omit<BenchmarkTask, 'key'> = {
    id: taskId('benchmark', { model: model.name, dataset, seed }, recipe.name, artifact.level),
    kind: 'benchmark',
    threads: threads ?? known.threads,
    spec: {
      model,
      ...original.told.spec,
      dataset: { name: dataset, source: data.source },
      seed,
      recipe: { name: recipe.name, level: artifact.level },
      benchmark: settings,
    },
    inputs: { original: original.key, artifact: compressed.key, dataset: data.digest },
    cpu: known.cpu,
    paths: {
      original: combination.checkpoint,
      ...original.told.paths,
      artifact: artifact.path,
      dataset: data.root,
    },
  };
  const task: BenchmarkTask = { ...keyless, key: taskKey(keyless, known.software) };
  return {
    task,
    label: `benchmark ${describe(combination)}, ${recipe.name} level ${artifact.level}`,
    needs: [...needsOf(original), ...needsOf(compressed)],
    exclusive: true,
    light: false,
    ...reasonForRows(task, [original, compressed], known),
  };
}

/** As in make: a file is up to date when it carries this key and nothing it was made from is made anew. */
function reasonForFile(
  task: Task,
  output: string,
  inputs: readonly Input[],
  known: Known,
  isReplaceable: (record: ModelRecord) => boolean,
): Reason {
  const name = basename(output);
  const facts = known.files.get(output);
  if (facts === undefined) return { upToDate: false, because: `${name} is not there yet` };
  if (facts.unusable?.code === 'model_not_a_file') {
    throw new UserError('output_not_a_file', `${output} is no file, and ${task.id} would write one there`, [
      'Move it away, or choose another "output".',
    ]);
  }
  if (!known.force && (facts.record === undefined || !isReplaceable(facts.record))) {
    throw new UserError('output_in_the_way', `${output} exists and is not what ${task.id} would replace`, [
      'Move it away, choose another "output", or allow it to be replaced with --force.',
    ]);
  }
  const anew = inputs.find((input) => input.task?.upToDate === false);
  if (anew?.task !== undefined) return { upToDate: false, because: `${anew.task.task.id} runs before it` };
  return facts.record?.key === task.key
    ? { upToDate: true, because: `${name} is there, made with these settings and inputs` }
    : { upToDate: false, because: `${name} was made with other settings, inputs or software` };
}

function reasonForRows(task: BenchmarkTask, inputs: readonly Input[], known: Known): Reason {
  const anew = inputs.find((input) => input.task?.upToDate === false);
  if (anew?.task !== undefined) return { upToDate: false, because: `${anew.task.task.id} runs before it` };
  const { devices, runtimes, batch_sizes } = task.spec.benchmark;
  const wanted = devices.length * runtimes.length * batch_sizes.length;
  const rows = known.rows.filter((row) => row.task_key === task.key);
  if (rows.length < wanted)
    return { upToDate: false, because: 'not measured yet with these settings on this machine' };
  const digests = [
    known.files.get(task.paths.original)?.sha256,
    known.files.get(task.paths.artifact)?.sha256,
  ];
  return rows.every((row) => row.original_sha256 === digests[0] && row.artifact_sha256 === digests[1])
    ? { upToDate: true, because: `its ${wanted} rows are there` }
    : { upToDate: false, because: 'the model files changed since they were measured' };
}

function isSameOriginal(record: ModelRecord, { model, dataset, seed }: Combination): boolean {
  return record.model.name === model.name && record.dataset.name === dataset && record.seed === seed;
}

function readOriginal(combination: Combination, known: Known): OriginalInput {
  const { checkpoint } = combination;
  const facts = factsOf(checkpoint, known, 'checkpoint_missing', hintForCheckpoint(combination));
  if (facts.record === undefined) return { key: facts.sha256, told: toldOf(combination, known.codes) };
  refuseOtherModel(checkpoint, facts.record, expectedOf(combination));
  return { key: facts.record.key, told: NOTHING };
}

function artifactKey(combination: Combination, artifact: Artifact, known: Known): string {
  const { path, level } = artifact;
  const { record, sha256 } = factsOf(path, known, 'artifact_missing', hintForArtifact(combination, artifact));
  if (record === undefined) return sha256;
  const { arch, made } = expectedOf(combination);
  refuseOtherModel(path, record, { arch, made: { ...made, recipe: recipeOf(artifact, known).name, level } });
  const original = known.files.get(combination.checkpoint);
  if (original !== undefined) refuseOtherParent(path, record, combination.checkpoint, original.sha256);
  return record.key;
}

function expectedOf({ model, dataset, seed, numClasses, normalisation }: Combination): Expected {
  const { arch, stem, image_size } = model;
  const { mean, std } = normalisation ?? {};
  return { arch, made: { stem, image_size, num_classes: numClasses, mean, std, dataset, seed } };
}

function factsOf(path: string, known: Known, code: string, hint: string): FileFacts {
  const facts = known.files.get(path);
  if (facts === undefined) throw new UserError(code, `${path} does not exist`, [hint]);
  if (facts.unusable !== undefined) throw facts.unusable;
  return facts;
}

function hintForCheckpoint({ given, code, model, dataset }: Combination): string {
  if (given) return 'Check the path of "checkpoint".';
  return code !== undefined
    ? 'Make it first: the same spec with kind "train".'
    : `Make it first: capstone train --model ${model.name} --dataset ${dataset}`;
}

function hintForArtifact({ code, isUnnamed, model, dataset }: Combination, { level }: Artifact): string {
  return code !== undefined || isUnnamed
    ? 'Make it first: the same spec with kind "compress".'
    : `Make it first: capstone compress --model ${model.name} --dataset ${dataset} --compression-level ${level}`;
}

function elsewhere(device: Device): { device?: 'cuda' } {
  return device === 'cpu' ? {} : { device };
}

function precisionOf(
  settings: { precision: Precision | 'auto'; batch_size: number },
  { family, model }: Combination,
  device: Device,
  known: Known,
): Precision {
  const isa = device === 'cpu' ? known.isa : device;
  const question = { isa, family, stem: model.stem, batch_size: settings.batch_size };
  return resolvePrecision(settings.precision, question, known.precisions);
}

function stepsOf(recipe: Recipe, family: string, level: Artifact['level']): Step[] {
  const levels = recipe.families?.[family]?.levels ?? recipe.levels;
  if (levels === undefined) {
    throw new UserError(
      'recipe_family_missing',
      `recipe ${recipe.name} says nothing about models of the family ${family}; it knows ${Object.keys(recipe.families ?? {}).join(', ')}`,
      [`Use a recipe with "levels" for every family, such as deploy, or add "${family}" under "families".`],
    );
  }
  return levels[level];
}

function recipeOf(artifact: Artifact, known: Known): Recipe {
  const recipe = known.recipes.get(artifact.recipe);
  if (recipe === undefined) throw new Error(`recipe ${artifact.recipe} was not gathered`);
  return recipe;
}

function datasetOf(combination: Combination, known: Known) {
  const data = known.datasets.get(combination.dataset);
  if (data === undefined) throw new Error(`data set ${combination.dataset} was not gathered`);
  return data;
}

function needsOf(input: Input): string[] {
  return input.task === undefined ? [] : [input.task.task.id];
}

function describe({ model, dataset, seed }: { model: TaskModel; dataset: string; seed: number }): string {
  return `${model.name} on ${dataset}${seed === 0 ? '' : `, seed ${seed}`}`;
}

/** All trainings, then all compressions, then all benchmarks, so that exclusive tasks interrupt nothing. */
function inStages(tasks: readonly PlannedTask[]): PlannedTask[] {
  const stage = { train: 0, compress: 1, benchmark: 2 } as const;
  return [...tasks].sort((a, b) => stage[a.task.kind] - stage[b.task.kind]);
}

/** Names label files and rows: two things of one name would be measured as one. */
function refuseTwins(tasks: readonly PlannedTask[]): void {
  const seen = new Set<string>();
  for (const { task } of tasks) {
    if (seen.has(task.id)) {
      throw new UserError('task_twice', `the job asks for ${task.id} twice`, [
        'Give each model, data set and recipe a name of its own.',
      ]);
    }
    seen.add(task.id);
  }
}

function refuseSharedOutputs(tasks: readonly PlannedTask[]): void {
  const makers = new Map<string, string>();
  for (const { task } of tasks) {
    if (task.kind === 'benchmark') continue;
    const other = makers.get(task.paths.output);
    if (other !== undefined) {
      throw new UserError('output_shared', `${other} and ${task.id} would both write ${task.paths.output}`, [
        'Leave out "output" where the plan has more than one task of its kind.',
      ]);
    }
    makers.set(task.paths.output, task.id);
  }
}
