/** Tasks from the executor to their outcomes; the rows of a benchmark are in benchmark_levels.csv when it resolves. */
import { dirname } from 'node:path';
import { z } from 'zod';
import { CapstoneError, MachineError } from '../errors/errors.ts';
import { parseCsv, toCsv } from '../results/csv.ts';
import { mergeRows } from '../results/merge.ts';
import { Row } from '../spec/row.ts';
import type { Task } from '../spec/task.ts';
import { rewriteLocked } from '../store/locked-file.ts';
import type { WorkspacePaths } from '../store/paths.ts';
import { makeFolder } from '../store/write.ts';
import type { Ended } from '../worker/host.ts';
import type { TaskOutcome } from '../worker/outcome.ts';
import type { Executor } from './executor.ts';
import type { RunRecord, Unstamped } from './run-record.ts';

/**
 * One task, or several that run as one, to their ends. Rejects with a MachineError where none can run here, and never
 * for what goes wrong with a task; `onRows` gets what a benchmark measured.
 */
export async function runTasks(
  tasks: readonly Task[],
  executor: Executor,
  { id, paths }: Pick<RunRecord, 'id' | 'paths'>,
  workspace: WorkspacePaths,
  onRows: (rows: readonly Row[]) => void,
): Promise<readonly Ended[]> {
  try {
    for (const task of tasks) if (task.kind !== 'benchmark') makeFolder(dirname(task.paths.output));
    const ended = await executor.run(tasks.map((task) => forWorker(task, paths.taskLog(task.id), id)));
    return await Promise.all(ended.map((one) => withRowsKept(one, workspace, onRows)));
  } catch (error) {
    // No host, no room on the disk: the next task would meet the same.
    if (error instanceof MachineError) throw error;
    return tasks.map((task) => ({ task, outcome: failure(error) }));
  }
}

async function withRowsKept(
  ended: Ended,
  workspace: WorkspacePaths,
  onRows: (rows: readonly Row[]) => void,
): Promise<Ended> {
  const { task, outcome } = ended;
  if (task.kind !== 'benchmark' || outcome.status !== 'succeeded') return ended;
  try {
    const measured = z.array(Row).parse(outcome.values['rows']);
    await rewriteLocked(workspace.rows, workspace.rowsLock, (text) =>
      toCsv(mergeRows(parseCsv(text ?? '').rows, measured)),
    );
    onRows(measured);
    return ended;
  } catch (error) {
    return { task, outcome: failure(error) };
  }
}

function forWorker(task: Task, logPath: string, run: string): Task {
  return { ...task, log_path: logPath, ...(task.kind === 'benchmark' ? { run } : {}) } as Task;
}

/** What goes wrong around tasks, on our side of the pipe, fails them and not the run. */
function failure(error: unknown): TaskOutcome {
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
