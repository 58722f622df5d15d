/** One task from the executor to its outcome; the rows of a benchmark are in benchmark_levels.csv when it resolves. */
import { dirname } from 'node:path';
import { z } from 'zod';
import { CapstoneError } from '../errors/errors.ts';
import { parseCsv, toCsv } from '../results/csv.ts';
import { mergeRows } from '../results/merge.ts';
import { Row } from '../spec/row.ts';
import type { Task } from '../spec/task.ts';
import { rewriteLocked } from '../store/locked-file.ts';
import type { WorkspacePaths } from '../store/paths.ts';
import { makeFolder } from '../store/write.ts';
import type { TaskOutcome } from '../worker/outcome.ts';
import type { Executor } from './executor.ts';
import type { RunRecord, Unstamped } from './run-record.ts';

/** Never rejects for what goes wrong with the task; `onRows` gets what a benchmark measured. */
export async function runTask(
  task: Task,
  executor: Executor,
  { id, paths }: Pick<RunRecord, 'id' | 'paths'>,
  workspace: WorkspacePaths,
  onRows: (rows: readonly Row[]) => void,
): Promise<TaskOutcome> {
  return attempt(async () => {
    if (task.kind !== 'benchmark') makeFolder(dirname(task.paths.output));
    const ended = await executor.run(forWorker(task, paths.taskLog(task.id), id));
    if (task.kind !== 'benchmark' || ended.status !== 'succeeded') return ended;
    const measured = z.array(Row).parse(ended.values['rows']);
    await rewriteLocked(workspace.rows, workspace.rowsLock, (text) =>
      toCsv(mergeRows(parseCsv(text ?? '').rows, measured)),
    );
    onRows(measured);
    return ended;
  });
}

function forWorker(task: Task, logPath: string, run: string): Task {
  return { ...task, log_path: logPath, ...(task.kind === 'benchmark' ? { run } : {}) } as Task;
}

/** What goes wrong around a task, on our side of the pipe, fails that task and not the run. */
async function attempt(work: () => Promise<TaskOutcome>): Promise<TaskOutcome> {
  try {
    return await work();
  } catch (error) {
    const ours = error instanceof CapstoneError ? error : undefined;
    return {
      status: 'failed',
      code: ours?.code ?? 'internal',
      message: ours?.message ?? (error instanceof Error ? (error.stack ?? error.message) : String(error)),
      hint: ours?.next.join(' ') ?? '',
      exit_code: null,
      signal: null,
      missing: [],
      log_tail: '',
    };
  }
}

/** The orchestrator's word on how a task ended. */
export function endingOf(task: string, outcome: TaskOutcome, seconds: number): Unstamped {
  switch (outcome.status) {
    case 'succeeded':
      return { type: 'task_succeeded', task, seconds };
    case 'cancelled':
      return { type: 'task_cancelled', task, because: 'it was asked to stop; what it had done is kept' };
    case 'failed': {
      const { status: _status, ...facts } = outcome;
      return { type: 'task_failed', task, ...facts };
    }
  }
}
