import type { WorkerEvent } from '../spec/event.ts';

/** How a task ended. Every ending is a value. */
export type TaskOutcome =
  | { readonly status: 'succeeded'; readonly values: Readonly<Record<string, unknown>> }
  | { readonly status: 'cancelled' }
  | TaskFailure;

export interface TaskFailure {
  readonly status: 'failed';
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly exit_code: number | null;
  readonly signal: string | null;
  /** What a successful task sends and this one did not. */
  readonly missing: string[];
  readonly log_tail: string;
}

/** What was seen of a task when nothing more can come. */
export interface TaskTrace {
  readonly result?: Extract<WorkerEvent, { type: 'result' }>;
  readonly done: boolean;
  readonly error?: Extract<WorkerEvent, { type: 'error' }>;
  /** Absent when the host went before it could say. */
  readonly ended?: Extract<WorkerEvent, { type: 'ended' }>;
  readonly cancelAsked: boolean;
  readonly logTail: string;
}

/**
 * A task succeeded when it sent `result` and `done`, and `ended` says exit code 0 and no signal. Anything else is a
 * failure that says what was missing: silence is never success.
 */
export function judgeTask(trace: TaskTrace): TaskOutcome {
  const { result, done, error, ended } = trace;
  const cleanExit = ended?.exit_code === 0 && ended.signal === null;
  if (result !== undefined && done && cleanExit) return { status: 'succeeded', values: result.values };
  if (trace.cancelAsked && error === undefined) return { status: 'cancelled' };
  return {
    status: 'failed',
    ...reason(trace),
    exit_code: ended?.exit_code ?? null,
    signal: ended?.signal ?? null,
    missing: [
      ...(result === undefined ? ['result'] : []),
      ...(done ? [] : ['done']),
      ...(ended === undefined ? ['ended'] : []),
    ],
    log_tail: trace.logTail,
  };
}

function reason({ error, ended }: TaskTrace): { code: string; message: string; hint: string } {
  if (error !== undefined) {
    return { code: error.code, message: error.message, hint: error.hint };
  }
  if (ended === undefined) {
    return {
      code: 'host_gone',
      message: 'the worker host ended while the task was running',
      hint: 'Its last words stand in logs/host.log. Run again: what was done is kept.',
    };
  }
  if (ended.signal === 'SIGKILL') {
    return {
      code: 'task_killed',
      message: 'the task was killed by SIGKILL, as the kernel does when memory runs out',
      hint: 'Make room or lower batch_size, then run again: what was done is kept.',
    };
  }
  if (ended.signal !== null) {
    return {
      code: 'task_killed',
      message: `the task was ended by ${ended.signal}`,
      hint: 'Its last words stand in its log. Run again: what was done is kept.',
    };
  }
  return {
    code: 'task_silent',
    message: `the task ended with exit code ${ended.exit_code} and did not say that it was done`,
    hint: 'Its last words stand in its log.',
  };
}
