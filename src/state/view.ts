/** What one sees of a run: the events so far, boiled down. Times are milliseconds since 1970, as `Date.now()`. */
import type { OrchestratorEvent, WorkerEvent } from '../spec/event.ts';
import type { Row } from '../spec/row.ts';
import type { TaskKind } from '../spec/task.ts';

type Member<T> = Extract<WorkerEvent | OrchestratorEvent, { type: T }>;

export type TaskState =
  | 'planned'
  | 'up_to_date'
  | 'queued'
  | 'running'
  | 'succeeded'
  | 'failed'
  | 'cancelled';

export type TaskProgress = Pick<Member<'progress'>, 'phase' | 'done' | 'total' | 'unit' | 'rate' | 'eta_s'>;
export type TaskMetric = Pick<Member<'metric'>, 'split' | 'epoch' | 'values'>;
export type TaskUsage = Pick<
  Member<'usage'>,
  'cpu_percent' | 'memory_bytes' | 'gpu_percent' | 'gpu_memory_bytes'
>;
export type TaskLog = Pick<Member<'log'>, 'level' | 'message'>;
export type TaskFile = Pick<Member<'artifact'>, 'path' | 'bytes' | 'sha256'>;
export type TaskFailure = Pick<
  Member<'task_failed'>,
  'code' | 'message' | 'hint' | 'exit_code' | 'signal' | 'missing' | 'log_tail'
>;
export type MissedBound = Pick<Member<'bound_missed'>, 'bound' | 'row' | 'found'>;
export type Capability = Pick<Member<'capability'>, 'cpu' | 'isa' | 'gpus'>;
export type Versions = Pick<Member<'hello'>, 'python' | 'torch' | 'torchvision' | 'numpy'>;

export interface TaskView {
  readonly id: string;
  readonly kind: TaskKind;
  readonly label: string;
  readonly needs: readonly string[];
  readonly state: TaskState;
  /** Why it runs, or why it was cancelled; empty for a task that is up to date. */
  readonly because: string;
  /** Process group, while the task runs. */
  readonly pgid: number | null;
  readonly startedAtMs: number | null;
  /** Known once the task has ended. */
  readonly seconds: number | null;
  readonly phase: string | null;
  /** Of the current phase. */
  readonly progress: TaskProgress | null;
  /** The latest of any split. */
  readonly metric: TaskMetric | null;
  /** The last 512 of each split, oldest first. */
  readonly testMetrics: readonly TaskMetric[];
  readonly trainMetrics: readonly TaskMetric[];
  /** Of the machine, while the task runs. */
  readonly usage: TaskUsage | null;
  readonly log: TaskLog | null;
  /** Written so far, under their final names. */
  readonly files: readonly TaskFile[];
  /** What a benchmark found. */
  readonly rows: readonly Row[];
  /** Of an error that is a fault of ours. */
  readonly traceback: string | null;
  readonly failure: TaskFailure | null;
}

export interface RunView {
  readonly id: string;
  readonly kind: string;
  readonly name: string;
  readonly resumed: boolean;
  readonly status: 'running' | 'stopping' | 'done' | 'failed' | 'cancelled';
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  /** In the plan's order. */
  readonly tasks: readonly TaskView[];
  /** Index in `tasks` by id. */
  readonly position: ReadonlyMap<string, number>;
  readonly versions: Versions | null;
  readonly capability: Capability | null;
  /** The last thing the host itself said. */
  readonly log: TaskLog | null;
  /** Bounds of the job that its rows do not meet; known when they were measured. */
  readonly missedBounds: readonly MissedBound[];
  /** What it was worth, in a word; known when the run has ended. */
  readonly best: string | null;
  /** Lines of the host that were no events; known when the run has ended. */
  readonly foreignLines: number | null;
}
