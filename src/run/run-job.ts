/**
 * One execution of a job: the run folder, its lock and its log, the tasks handed to an executor, the rows they
 * bring merged into benchmark_levels.csv. Every run has its own orchestrator process, and this is what it does.
 */
import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { z } from 'zod';
import { CapstoneError } from '../errors/errors.ts';
import type { Plan, PlannedTask } from '../plan/plan.ts';
import type { Interpreter } from '../python/find.ts';
import { parseCsv, toCsv } from '../results/csv.ts';
import { mergeRows } from '../results/merge.ts';
import type { OrchestratorEvent, RunEvent, WorkerEvent } from '../spec/event.ts';
import type { Job } from '../spec/job.ts';
import { Row } from '../spec/row.ts';
import type { Task } from '../spec/task.ts';
import { writeFailure } from '../store/disk-error.ts';
import { openEventLog } from '../store/event-log.ts';
import { acquireLock } from '../store/lock.ts';
import { rewriteLocked } from '../store/locked-file.ts';
import { newRunId, runPaths, workspacePaths } from '../store/paths.ts';
import { readRequests } from '../store/requests.ts';
import { makeFolder, writeJson } from '../store/write.ts';
import type { TaskOutcome } from '../worker/outcome.ts';
import { LocalExecutor } from './execute-local.ts';
import type { Place } from './gather.ts';
import { schedule } from './schedule.ts';

const GRACE_S = 10;
const REQUEST_POLL_MS = 500;

export interface RunRequest {
  readonly job: Job;
  readonly plan: Plan;
  readonly place: Place;
  readonly interpreter: Interpreter;
  /** Goes on in this run's folder. */
  readonly resume?: string;
  readonly version: string;
  onEvent(event: RunEvent): void;
  /** Called once with the ways to stop the run. */
  onStarted(control: RunControl): void;
}

export interface RunControl {
  /** Every task stops at its next safe point; what it has done is kept. */
  cancel(): void;
  /** Every task ends now. */
  kill(): void;
}

export interface RunSummary {
  readonly id: string;
  readonly outcome: 'done' | 'failed' | 'cancelled';
  /** What the benchmarks of this plan found, those that were up to date included. */
  readonly rows: readonly Row[];
}

type Unstamped = OrchestratorEvent extends infer E
  ? E extends OrchestratorEvent
    ? Omit<E, 'v' | 'ts'>
    : never
  : never;

export async function runJob(request: RunRequest): Promise<RunSummary> {
  const { job, resume, place } = request;
  if (resume !== undefined) return conduct(request, resume);
  const id = newRunId(job.name ?? job.kind, new Date(), randomBytes(2).toString('hex'));
  try {
    return await conduct(request, id);
  } catch (error) {
    removeUnbegun(place.workspace, id);
    throw error;
  }
}

/** A run of which no event could be written, on a full disk for one, never was: its folder would say nothing. */
function removeUnbegun(workspace: string, id: string): void {
  const { folder, events } = runPaths(workspace, id);
  if ((statSync(events, { throwIfNoEntry: false })?.size ?? 0) > 0) return;
  rmSync(folder, { recursive: true, force: true });
  try {
    rmdirSync(dirname(folder));
  } catch {
    // It holds other runs.
  }
}

async function conduct(request: RunRequest, id: string): Promise<RunSummary> {
  const { job, plan, place, interpreter } = request;
  const started = Date.now();
  const name = job.name ?? job.kind;
  const paths = runPaths(place.workspace, id);
  const workspace = workspacePaths(place.workspace);
  makeFolder(dirname(paths.hostLog));
  const lock = await acquireLock(paths.lock, { timeoutMs: 0 });
  const log = openEventLog(paths.events);
  let runSeq = log.lastRunSeq;
  let foreignLines = 0;
  let cancelled = false;
  let unwritten: { readonly error: unknown } | undefined;

  const record = (event: WorkerEvent | OrchestratorEvent) => {
    runSeq += 1;
    const stamped = { ...event, run: id, run_seq: runSeq } as RunEvent;
    log.append(stamped);
    request.onEvent(stamped);
  };
  const emit = (event: Unstamped) =>
    record({ v: 1, ts: new Date().toISOString(), ...event } as OrchestratorEvent);
  /** Called by the worker's stream, where nobody could catch: what cannot be logged ends the run. */
  const orStop = (write: () => void) => {
    try {
      write();
    } catch (error) {
      unwritten ??= { error: writeFailure(paths.folder, error) };
      executor.kill();
    }
  };
  const executor = new LocalExecutor({
    python: interpreter.path,
    packageRoot: place.packageRoot,
    hostLogPath: paths.hostLog,
    env: place.env,
    onEvent: (event) => orStop(() => record(event)),
    onForeign(line) {
      foreignLines += 1;
      orStop(() => appendFileSync(paths.hostLog, `${line}\n`));
    },
  });
  const runningTasks = new Set<string>();
  const control: RunControl = {
    cancel() {
      if (cancelled) return;
      cancelled = true;
      emit({ type: 'run_stopping' });
      for (const task of runningTasks) executor.cancel(task, GRACE_S);
    },
    kill() {
      cancelled = true;
      executor.kill();
    },
  };
  let requestsRead = 0;
  const listening = setInterval(() => {
    const { requests, next } = readRequests(paths.requests, requestsRead);
    requestsRead = next;
    for (const asked of requests) {
      if (asked.type === 'cancel') control.cancel();
      else executor.cancel(asked.task, GRACE_S);
    }
  }, REQUEST_POLL_MS);

  try {
    writeJson(paths.job, job);
    writeJson(paths.plan, plan);
    writeJson(paths.environment, {
      capstone: request.version,
      node: process.version,
      platform: process.platform,
      host: hostname(),
      interpreter,
    });
    emit({
      type: 'run_started',
      kind: job.kind,
      name,
      resumed: request.resume !== undefined,
      host: hostname(),
      pid: process.pid,
    });
    for (const planned of plan.tasks) {
      const { id: task, kind } = planned.task;
      const { label, because, needs } = planned;
      if (planned.upToDate) emit({ type: 'task_up_to_date', task, kind, label, because });
      else emit({ type: 'task_planned', task, kind, label, because, needs: [...needs] });
    }
    request.onStarted(control);

    const rows: Row[] = [];
    const execute = async (planned: PlannedTask): Promise<TaskOutcome> => {
      const { task } = planned;
      const begun = Date.now();
      runningTasks.add(task.id);
      const outcome = await attempt(async () => {
        if (task.kind !== 'benchmark') makeFolder(dirname(task.paths.output));
        const ended = await executor.run(forWorker(task, paths.taskLog(task.id), id));
        if (task.kind !== 'benchmark' || ended.status !== 'succeeded') return ended;
        const measured = z.array(Row).parse(ended.values['rows']);
        await rewriteLocked(workspace.rows, workspace.rowsLock, (text) =>
          toCsv(mergeRows(parseCsv(text ?? '').rows, measured)),
        );
        rows.push(...measured);
        return ended;
      });
      runningTasks.delete(task.id);
      emit(ending(task.id, outcome, (Date.now() - begun) / 1000));
      return outcome;
    };
    const outcomes = await schedule(plan.tasks, job.executor.concurrency, () => cancelled, {
      queued: ({ task }) => emit({ type: 'task_queued', task: task.id }),
      execute,
      skipped: ({ task }, because) => emit({ type: 'task_cancelled', task: task.id, because }),
    });
    if (unwritten !== undefined) throw unwritten.error;

    const all = [...upToDateRows(plan, workspace.rows), ...rows];
    writeJson(paths.results, all);
    const count = (status: TaskOutcome['status']) =>
      [...outcomes.values()].filter((outcome) => outcome.status === status).length;
    const pending = plan.tasks.filter((task) => !task.upToDate).length;
    const outcome = cancelled ? 'cancelled' : count('succeeded') < pending ? 'failed' : 'done';
    emit({
      type: 'run_ended',
      outcome,
      succeeded: count('succeeded'),
      up_to_date: plan.tasks.length - pending,
      failed: count('failed'),
      cancelled: pending - count('succeeded') - count('failed'),
      foreign_lines: foreignLines,
      seconds: (Date.now() - started) / 1000,
    });
    return { id, outcome, rows: all };
  } finally {
    clearInterval(listening);
    await executor.close();
    log.close();
    await lock.release();
  }
}

/** Rows of the benchmarks of this plan that need not run. */
export function upToDateRows(plan: Plan, rowsPath: string): Row[] {
  const keys = new Set(
    plan.tasks
      .filter(({ upToDate, task }) => upToDate && task.kind === 'benchmark')
      .map(({ task }) => task.key),
  );
  if (keys.size === 0 || !existsSync(rowsPath)) return [];
  const { rows } = parseCsv(readFileSync(rowsPath, 'utf8'));
  return rows.filter((row) => row.task_key !== null && keys.has(row.task_key));
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
function ending(task: string, outcome: TaskOutcome, seconds: number): Unstamped {
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
