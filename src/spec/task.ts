/**
 * A task: one unit of work for a worker, everything resolved. Python validates each task it receives against
 * schema/task.schema.json. `spec` and `inputs` are what the key is made of; `paths` are not.
 */
import { z } from 'zod';
import { BenchmarkSettings, TrainSettings } from './job.ts';
import {
  DataSourceKind,
  Device,
  Digest,
  Level,
  Mean,
  MeasuredLevel,
  Name,
  Precision,
  Seed,
  Std,
  Stem,
  Threads,
} from './names.ts';
import { LevelSteps } from './recipe.ts';

export const TaskModel = z.strictObject({
  name: Name,
  arch: Name,
  stem: Stem.optional().meta({ description: 'Of a built-in network.' }),
  image_size: z.number().int().min(8).max(1024),
});
export type TaskModel = z.infer<typeof TaskModel>;

/** Published weights that a training starts from; the name ends in the first digits of the file's SHA-256. */
const WeightsFile = z.string().regex(/^[A-Za-z0-9_]+-[0-9a-f]{8,64}\.pth$/, 'a file as torchvision names it');

export const TaskDataset = z.strictObject({ name: Name, source: DataSourceKind });

const AbsolutePath = z.string().min(1).meta({ description: 'Absolute path.' });
const TaskId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,239}$/);

const envelope = {
  id: TaskId.meta({ description: 'Unique within its run; names the log file.' }),
  key: Digest.meta({ description: 'Task key: what decides whether the output is up to date.' }),
  threads: Threads,
  log_path: AbsolutePath.optional().meta({ description: 'Set when the task is handed to a host.' }),
};

/** What the user says of a network; only in a task that no file of ours tells it. */
const told = {
  code: z
    .strictObject({ function: z.string().min(1), sha256: Digest.meta({ description: 'Of the file.' }) })
    .optional()
    .meta({ description: 'What makes a network that is not built in; the file is `paths.code`.' }),
  num_classes: z.number().int().min(2).optional(),
  normalisation: z.strictObject({ mean: Mean, std: Std }).optional(),
};
const CodePath = AbsolutePath.optional();

/** Where something is trained that is not trained on the CPU, so that the keys of those that are stay what they were. */
const OtherDevice = Device.exclude(['cpu']).optional();

export const TrainTask = z.strictObject({
  ...envelope,
  kind: z.literal('train'),
  spec: z.strictObject({
    model: TaskModel,
    ...told,
    weights: WeightsFile.optional(),
    dataset: TaskDataset,
    seed: Seed,
    device: OtherDevice,
    train: TrainSettings.omit({ threads: true, preset: true }).extend({ precision: Precision }),
  }),
  inputs: z.strictObject({ dataset: Digest }),
  paths: z.strictObject({
    dataset: AbsolutePath,
    code: CodePath,
    output: AbsolutePath,
    partial: AbsolutePath,
  }),
});

export const CompressTask = z.strictObject({
  ...envelope,
  kind: z.literal('compress'),
  spec: z.strictObject({
    model: TaskModel,
    ...told,
    dataset: Name,
    source: DataSourceKind.optional().meta({
      description: 'Of the data set, where a step needs its images.',
    }),
    seed: Seed,
    device: OtherDevice,
    recipe: z.strictObject({ name: Name, level: Level, steps: LevelSteps }),
  }),
  inputs: z.strictObject({ checkpoint: Digest, dataset: Digest.optional() }),
  paths: z.strictObject({
    checkpoint: AbsolutePath,
    code: CodePath,
    dataset: AbsolutePath.optional(),
    output: AbsolutePath,
    partial: AbsolutePath.optional().meta({ description: 'Where a step trains.' }),
  }),
});

export const Cpu = z.strictObject({
  model: z.string().min(1),
  isa: z.array(z.string().min(1)).meta({ description: 'Flags of the instruction set, sorted.' }),
});

/** Of an artifact beside its original; without an artifact, of a dense network alone. */
export const BenchmarkTask = z.strictObject({
  ...envelope,
  kind: z.literal('benchmark'),
  spec: z.strictObject({
    model: TaskModel,
    ...told,
    dataset: TaskDataset,
    seed: Seed,
    recipe: z.strictObject({ name: Name, level: MeasuredLevel }),
    benchmark: BenchmarkSettings.omit({ threads: true }),
  }),
  inputs: z.strictObject({ original: Digest, artifact: Digest.optional(), dataset: Digest }),
  cpu: Cpu,
  run: z.string().optional().meta({ description: 'Id of the run, for the row.' }),
  paths: z.strictObject({
    original: AbsolutePath,
    code: CodePath,
    artifact: AbsolutePath.optional(),
    dataset: AbsolutePath,
  }),
});

export const Task = z
  .discriminatedUnion('kind', [TrainTask, CompressTask, BenchmarkTask])
  .meta({ title: 'capstone task', description: 'One unit of work for a worker, everything resolved.' });
export type Task = z.infer<typeof Task>;
export type TrainTask = z.infer<typeof TrainTask>;
export type CompressTask = z.infer<typeof CompressTask>;
export type BenchmarkTask = z.infer<typeof BenchmarkTask>;
export type TaskKind = Task['kind'];
