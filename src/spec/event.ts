/**
 * Protocol 1: what a worker host writes to fd 3, and what the orchestrator adds. One JSON object a line.
 * Each member says when it happens.
 */
import { z } from 'zod';
import { Digest } from './names.ts';

const stamp = { v: z.literal(1), ts: z.string() };
const worker = { ...stamp, seq: z.number().int().min(1) };
const ofTask = { ...worker, task: z.string() };
const count = z.number().min(0);

/** Once, when the host is ready for tasks. */
const Hello = z.strictObject({
  ...worker,
  type: z.literal('hello'),
  protocol: z.literal(1),
  python: z.string(),
  torch: z.string(),
  torchvision: z.string(),
  numpy: z.string(),
  pid: z.number().int(),
});
/** Once a host, by its first task: the host itself never computes. */
const Capability = z.strictObject({
  ...ofTask,
  type: z.literal('capability'),
  cpu: z.string(),
  isa: z.array(z.string()),
  gpus: z.array(z.string()),
});
/** The task's process runs, in its own group. */
const Started = z.strictObject({
  ...ofTask,
  type: z.literal('started'),
  pid: z.number().int(),
  pgid: z.number().int(),
});
/** A part of the task's work begins. */
const Phase = z.strictObject({ ...ofTask, type: z.literal('phase'), phase: z.string() });
/** Work done so far within a phase; at most 10 a second a task. */
const Progress = z.strictObject({
  ...ofTask,
  type: z.literal('progress'),
  phase: z.string(),
  done: count,
  total: count,
  unit: z.string(),
  rate: count.nullable().default(null),
  eta_s: count.nullable().default(null),
});
/** A value at an epoch: loss and accuracy (percent) of a split. */
const Metric = z.strictObject({
  ...ofTask,
  type: z.literal('metric'),
  split: z.enum(['train', 'test']),
  epoch: count,
  values: z.record(z.string(), z.number().nullable()),
});
/** A line for a person. `task` is absent when the host itself speaks. */
const Log = z.strictObject({
  ...worker,
  task: z.string().optional(),
  type: z.literal('log'),
  level: z.enum(['info', 'warning', 'error']),
  message: z.string(),
});
/** A file stands under its final name. */
const Artifact = z.strictObject({
  ...ofTask,
  type: z.literal('artifact'),
  path: z.string(),
  bytes: count,
  sha256: Digest,
});
/** What the task found out; for a benchmark `values.rows`. */
const Result = z.strictObject({
  ...ofTask,
  type: z.literal('result'),
  values: z.record(z.string(), z.unknown()),
});
/** Why the task failed. `traceback` only where the fault is ours. */
const ErrorEvent = z.strictObject({
  ...ofTask,
  type: z.literal('error'),
  code: z.string(),
  message: z.string(),
  hint: z.string(),
  traceback: z.string().nullable(),
});
/** The task says that it is through; it still has to end well. */
const Done = z.strictObject({ ...ofTask, type: z.literal('done') });
/** The host has reaped the task's process: the last event of every task. */
const Ended = z.strictObject({
  ...ofTask,
  type: z.literal('ended'),
  exit_code: z.number().int().nullable(),
  signal: z.string().nullable(),
});

export const WorkerEvent = z.discriminatedUnion('type', [
  Hello,
  Capability,
  Started,
  Phase,
  Progress,
  Metric,
  Log,
  Artifact,
  Result,
  ErrorEvent,
  Done,
  Ended,
]);
export type WorkerEvent = z.infer<typeof WorkerEvent>;

const orchestrator = { ...stamp };
const aboutTask = { ...stamp, task: z.string() };

/** The run begins; `job` is the validated spec's kind and name. */
const RunStarted = z.strictObject({
  ...orchestrator,
  type: z.literal('run_started'),
  kind: z.string(),
  name: z.string(),
  resumed: z.boolean(),
  host: z.string(),
  pid: z.number().int(),
});
/** The plan holds this task; `because` says why it runs. */
const TaskPlanned = z.strictObject({
  ...aboutTask,
  type: z.literal('task_planned'),
  kind: z.enum(['train', 'compress', 'benchmark']),
  label: z.string(),
  because: z.string(),
  needs: z.array(z.string()),
});
/** The plan holds this task, and what it would make is there already. */
const TaskUpToDate = z.strictObject({
  ...aboutTask,
  type: z.literal('task_up_to_date'),
  because: z.string(),
  kind: z.enum(['train', 'compress', 'benchmark']),
  label: z.string(),
});
/** Everything the task needs is there; it waits for a worker. */
const TaskQueued = z.strictObject({ ...aboutTask, type: z.literal('task_queued') });
/** The task will not run, or was stopped: the reason in words. */
const TaskCancelled = z.strictObject({
  ...aboutTask,
  type: z.literal('task_cancelled'),
  because: z.string(),
});
/** A task that failed, or that was cancelled for want of it, is run again. */
const TaskRetried = z.strictObject({ ...aboutTask, type: z.literal('task_retried') });
/** The orchestrator's verdict on a task that did not succeed; facts, worded at the edge. */
const TaskFailed = z.strictObject({
  ...aboutTask,
  type: z.literal('task_failed'),
  code: z.string(),
  message: z.string(),
  hint: z.string(),
  exit_code: z.number().int().nullable(),
  signal: z.string().nullable(),
  missing: z.array(z.string()),
  log_tail: z.string(),
});
/** The task's outcome is success and its rows, if any, are in benchmark_levels.csv. */
const TaskSucceeded = z.strictObject({ ...aboutTask, type: z.literal('task_succeeded'), seconds: count });
/** The run was asked to stop: no task starts any more, running ones stop at their next safe point. */
const RunStopping = z.strictObject({ ...orchestrator, type: z.literal('run_stopping') });
/** A row does not meet a bound of the job's `require`. */
const BoundMissed = z.strictObject({
  ...orchestrator,
  type: z.literal('bound_missed'),
  bound: z.string(),
  row: z.string(),
  found: z.string(),
});
/** The last event of a run. `best` says in a word what it was worth; null where it measured nothing. */
const RunEnded = z.strictObject({
  ...orchestrator,
  type: z.literal('run_ended'),
  outcome: z.enum(['done', 'failed', 'cancelled']),
  succeeded: count,
  up_to_date: count,
  failed: count,
  cancelled: count,
  bounds_missed: count.default(0),
  best: z.string().nullable().default(null),
  foreign_lines: count,
  seconds: count,
});

export const OrchestratorEvent = z.discriminatedUnion('type', [
  RunStarted,
  TaskPlanned,
  TaskUpToDate,
  TaskQueued,
  TaskCancelled,
  TaskRetried,
  TaskFailed,
  TaskSucceeded,
  RunStopping,
  BoundMissed,
  RunEnded,
]);
export type OrchestratorEvent = z.infer<typeof OrchestratorEvent>;

/** What stands in events.ndjson: every event with the run's id and a number of its own, without gaps. */
export type RunEvent = (WorkerEvent | OrchestratorEvent) & { run: string; run_seq: number };
