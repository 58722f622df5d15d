/**
 * Protocol 1: what a worker host writes to fd 3, and what the orchestrator adds. One JSON object a line.
 * Each member says when it happens; schema/event.schema.json and docs/events.md carry the same words.
 */
import { z } from 'zod';
import { Digest } from './names.ts';

const event = <S extends z.ZodRawShape>(when: string, shape: S) =>
  z.strictObject(shape).meta({ description: when });
const text = (description: string) => z.string().meta({ description });
const int = (description: string) => z.number().int().meta({ description });
const count = (description: string) => z.number().min(0).meta({ description });

const stamp = {
  v: z.literal(1).meta({ description: 'Version of the protocol.' }),
  ts: text('When, ISO 8601 UTC.'),
};
const worker = {
  ...stamp,
  seq: z.number().int().min(1).meta({ description: 'Counts the events of a host, without gaps.' }),
};
const task = text('Id of the task.');
const ofTask = { ...worker, task };

const Hello = event('Once, when the host is ready for tasks.', {
  ...worker,
  type: z.literal('hello'),
  protocol: z.literal(1).meta({ description: 'Version of the protocol the host speaks.' }),
  python: text('Version of Python.'),
  torch: text('Version of torch.'),
  torchvision: text('Version of torchvision.'),
  numpy: text('Version of numpy.'),
  pid: int('Process id of the host.'),
});
const Capability = event('Once a host, by its first task: the host itself never computes.', {
  ...ofTask,
  type: z.literal('capability'),
  cpu: text('Model name of the CPU.'),
  isa: z.array(z.string()).meta({ description: 'Flags of its instruction set, sorted.' }),
  gpus: z.array(z.string()).meta({ description: 'Names of the GPUs that torch sees.' }),
});
const Started = event('The task’s process runs, in its own group; tasks that run together share one.', {
  ...ofTask,
  type: z.literal('started'),
  pid: int('Process id of the task.'),
  pgid: int('Its process group.'),
});
const Phase = event('A part of the task’s work begins.', {
  ...ofTask,
  type: z.literal('phase'),
  phase: text('`load`, `decode`, `train`, `evaluate`, `measure`, or the name of a step.'),
});
const Progress = event('Work done so far within a phase; at most 10 a second a task.', {
  ...ofTask,
  type: z.literal('progress'),
  phase: text('The phase it belongs to.'),
  done: count('Units done.'),
  total: count('Units there are.'),
  unit: text('What is counted.'),
  rate: count('Units a second; null where not known.').nullable().default(null),
  eta_s: count('Seconds left; null where not known.').nullable().default(null),
});
const Metric = event('A value at an epoch: loss and accuracy (percent) of a split.', {
  ...ofTask,
  type: z.literal('metric'),
  split: z.enum(['train', 'test']).meta({ description: 'Images it was computed on.' }),
  epoch: count('Epochs done.'),
  values: z.record(z.string(), z.number().nullable()).meta({ description: 'By name; null: not a number.' }),
});
const Log = event('A line for a person. `task` is absent when the host itself speaks.', {
  ...worker,
  task: task.optional(),
  type: z.literal('log'),
  level: z.enum(['info', 'warning', 'error']).meta({ description: 'How much it matters.' }),
  message: text('The line.'),
});
const Artifact = event('A file stands under its final name.', {
  ...ofTask,
  type: z.literal('artifact'),
  path: text('Absolute path.'),
  bytes: count('Its size.'),
  sha256: Digest.meta({ description: 'SHA-256 of the file.' }),
});
const Result = event('What the task found out; for a benchmark `values.rows`.', {
  ...ofTask,
  type: z.literal('result'),
  values: z.record(z.string(), z.unknown()).meta({ description: 'By name.' }),
});
const ErrorEvent = event('Why the task failed. `traceback` only where the fault is ours.', {
  ...ofTask,
  type: z.literal('error'),
  code: text('Permanent name of the error.'),
  message: text('What happened.'),
  hint: text('What to do next; empty where there is nothing to say.'),
  traceback: text('Python’s traceback.').nullable(),
});
const Done = event('The task says that it is through; it still has to end well.', {
  ...ofTask,
  type: z.literal('done'),
});
const exit_code = int('Exit status; null where a signal ended it.').nullable();
const signal = text('Name of the signal that ended it; null where none did.').nullable();

const Usage = event(
  'Every two seconds while a task runs: what it takes of the machine; said of the first of several in one process.',
  {
    ...ofTask,
    type: z.literal('usage'),
    cpu_percent: count(
      'Of its process and those that it started; 100 for each CPU that was busy throughout.',
    ),
    memory_bytes: count('Resident memory of the same.'),
    gpu_percent: count('Busy time of the GPU as a whole; null where it computes on none.').nullable(),
    gpu_memory_bytes: count('Memory in use on it, likewise.').nullable(),
  },
);
const Ended = event('The host has reaped the task’s process. Nothing follows unless the task is run again.', {
  ...ofTask,
  type: z.literal('ended'),
  exit_code,
  signal,
});

export const WorkerEvent = z
  .discriminatedUnion('type', [
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
    Usage,
    Ended,
  ])
  .meta({
    title: 'From the worker host',
    description: 'Written by the host, which forwards what its tasks send.',
  });
export type WorkerEvent = z.infer<typeof WorkerEvent>;

const orchestrator = { ...stamp };
const aboutTask = { ...stamp, task };
const taskKind = z.enum(['train', 'compress', 'benchmark']).meta({ description: 'Kind of the task.' });
const label = text('The task as a person reads it.');
const seconds = count('How long it took; of tasks that ran together each has its share.');

const RunStarted = event('The run begins.', {
  ...orchestrator,
  type: z.literal('run_started'),
  kind: text('Kind of the job.'),
  name: text('Name of the job; the kind where it has none.'),
  resumed: z.boolean().meta({ description: 'Whether the run goes on after an interruption.' }),
  host: text('Name of the machine.'),
  pid: int('Process id of the orchestrator.'),
});
const TaskPlanned = event('The plan holds this task, and it has to run.', {
  ...aboutTask,
  type: z.literal('task_planned'),
  kind: taskKind,
  label,
  because: text('Why it runs.'),
  needs: z.array(z.string()).meta({ description: 'Ids of the tasks that run before it.' }),
});
const TaskUpToDate = event('The plan holds this task, and what it would make is there already.', {
  ...aboutTask,
  type: z.literal('task_up_to_date'),
  because: text('Why it need not run.'),
  kind: taskKind,
  label,
});
const TaskQueued = event('Everything the task needs is there; it waits for a worker.', {
  ...aboutTask,
  type: z.literal('task_queued'),
});
const TaskCancelled = event('The task will not run, or was stopped.', {
  ...aboutTask,
  type: z.literal('task_cancelled'),
  because: text('The reason in words.'),
});
const TaskRetried = event('A task that had ended, or that was cancelled for want of one, is run again.', {
  ...aboutTask,
  type: z.literal('task_retried'),
  because: text('The reason in words.').default('it was asked for again'),
});
const TaskFailed = event('The orchestrator’s verdict on a task that did not succeed.', {
  ...aboutTask,
  type: z.literal('task_failed'),
  code: text('Permanent name of the error.'),
  message: text('What happened.'),
  hint: text('What to do next; empty where there is nothing to say.'),
  exit_code,
  signal,
  missing: z.array(z.string()).meta({ description: 'Which of `result`, `done` and `ended` never came.' }),
  log_tail: text('The end of the task’s log.'),
});
const TaskSucceeded = event(
  'The task’s outcome is success and its rows, if any, are in benchmark_levels.csv.',
  { ...aboutTask, type: z.literal('task_succeeded'), seconds },
);
const RunStopping = event(
  'The run was asked to stop: no task starts any more, running ones stop at their next safe point.',
  { ...orchestrator, type: z.literal('run_stopping') },
);
const BoundMissed = event('A row does not meet a bound of the job’s `require`.', {
  ...orchestrator,
  type: z.literal('bound_missed'),
  bound: text('The bound, as the job has it.'),
  row: text('The row, in words.'),
  found: text('What the row says instead.'),
});
const RunEnded = event('The last event of a run.', {
  ...orchestrator,
  type: z.literal('run_ended'),
  outcome: z.enum(['done', 'failed', 'cancelled']).meta({ description: 'How it ended.' }),
  succeeded: count('Tasks that succeeded.'),
  up_to_date: count('Tasks that had nothing to do.'),
  failed: count('Tasks that failed.'),
  cancelled: count('Tasks that were cancelled.'),
  bounds_missed: count('Rows that missed a bound.').default(0),
  best: text('In a word what the run was worth; null where it measured nothing.').nullable().default(null),
  foreign_lines: count('Lines from the host that were no valid event; they stand in logs/host.log.'),
  seconds,
});

export const OrchestratorEvent = z
  .discriminatedUnion('type', [
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
  ])
  .meta({
    title: 'From the orchestrator',
    description: 'Added by `capstone run`, the only writer of the file.',
  });
export type OrchestratorEvent = z.infer<typeof OrchestratorEvent>;

/** What stands in events.ndjson: every event with the run's id and a number of its own, without gaps. */
export type RunEvent = (WorkerEvent | OrchestratorEvent) & { run: string; run_seq: number };
const stampOfRun = { run: z.string(), run_seq: z.number().int().min(1) };
const [first, ...others] = [...WorkerEvent.options, ...OrchestratorEvent.options].map((option) =>
  (option as z.ZodObject).extend(stampOfRun),
);
// Each option is an object that says its type; their mapping loses which.
export const RunEvent = z.discriminatedUnion('type', [
  first as never,
  ...(others as never[]),
]) as z.ZodType<RunEvent>;
