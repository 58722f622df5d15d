/**
 * One execution of a job: its tasks handed to an executor in their order, what others ask of it heard, its rows held
 * to the job's bounds. Every run has its own orchestrator process, and this is what it does.
 */
import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { setImmediate as turn } from 'node:timers/promises';
import { CapstoneError } from '../errors/errors.ts';
import type { Plan, PlannedTask } from '../plan/planned.ts';
import type { Interpreter } from '../python/find.ts';
import { workerEnv } from '../python/worker-env.ts';
import { bestInAWord } from '../results/best.ts';
import { missedBounds } from '../results/bounds.ts';
import { parseCsv } from '../results/csv.ts';
import type { RunEvent } from '../spec/event.ts';
import type { Job } from '../spec/job.ts';
import type { Row } from '../spec/row.ts';
import type { Task } from '../spec/task.ts';
import { writeFailure } from '../store/disk-error.ts';
import { newRunId, workspacePaths } from '../store/paths.ts';
import { writeJson } from '../store/write.ts';
import type { TaskOutcome } from '../worker/outcome.ts';
import { LocalExecutor } from './execute-local.ts';
import type { Place } from './gather.ts';
import { listenForRequests } from './listen.ts';
import { describeMachine, usableCpus } from './machine.ts';
import { openRunRecord, type RunRecord, removeUnbegun } from './run-record.ts';
import { endingOf, runTasks } from './run-tasks.ts';
import { Schedule } from './schedule.ts';

const GRACE_S = 10;
/** At most so many light tasks side by side, however many CPUs there are: each holds its network a few times. */
const LIGHT_TASKS = 4;

/**
 * Of weights in one rotation. A runtime of its own holds them again, and its ONNX file once more; the forms of the
 * original that may be the best come on top.
 */
const ROTATION_BYTES = 1_000_000_000;

export interface RunRequest {
  readonly job: Job;
  readonly plan: Plan;
  readonly place: Place;
  readonly interpreter: Interpreter;
  /** Goes on in this run's folder. */
  readonly resume?: string;
  readonly version: string;
  /** One that was started ahead of the run. */
  readonly executor?: LocalExecutor;
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
  /** Bounds of the job that its rows do not meet. */
  readonly boundsMissed: number;
}

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

export function localExecutor(place: Place, interpreter: Interpreter): LocalExecutor {
  const { packageRoot, env } = place;
  return new LocalExecutor({ python: interpreter.path, packageRoot, env: workerEnv(env) });
}

async function conduct(request: RunRequest, id: string): Promise<RunSummary> {
  const { job, plan, place, interpreter } = request;
  const started = Date.now();
  const workspace = workspacePaths(place.workspace);
  const run = await openRunRecord(place.workspace, id, request.onEvent);
  let foreignLines = 0;
  let cancelled = false;

  /** Called by the worker's stream, where nobody could catch: what cannot be logged ends the run. */
  const orStop = (write: () => void) => {
    try {
      write();
    } catch (error) {
      schedule.fail(writeFailure(run.paths.folder, error));
      executor.kill();
    }
  };
  const executor = request.executor ?? localExecutor(place, interpreter);
  executor.listen({
    hostLogPath: run.paths.hostLog,
    onEvent: (event) => orStop(() => run.record(event)),
    onForeign(line) {
      foreignLines += 1;
      orStop(() => appendFileSync(run.paths.hostLog, `${line}\n`));
    },
  });
  const rows: Row[] = [];
  const took = new Map<string, number>();
  const running = new Set<string>();
  /** How each task that has ended did, and which will not run. */
  const ends = new Map<string, TaskOutcome['status'] | 'skipped'>();
  const room = {
    concurrency: job.executor.concurrency,
    light: Math.min(usableCpus(), LIGHT_TASKS),
    together: ({ task }: PlannedTask) => roomBesideOriginal(task),
  };
  const schedule = new Schedule(plan.tasks, room, {
    queued: ({ task }) => run.emit({ type: 'task_queued', task: task.id }),
    skipped({ task }, because) {
      ends.set(task.id, 'skipped');
      run.emit({ type: 'task_cancelled', task: task.id, because });
    },
    retried({ task }, because) {
      ends.delete(task.id);
      run.emit({ type: 'task_retried', task: task.id, because });
    },
    async execute(together) {
      const begun = Date.now();
      const tasks = together.map(({ task }) => task);
      for (const { id } of tasks) running.add(id);
      const ended = await runTasks(tasks, executor, run, workspace, (found) => rows.push(...found));
      // Of what runs together each has its share: they add up to the time that has passed.
      const seconds = (Date.now() - begun) / 1000 / tasks.length;
      for (const { id } of tasks) took.set(id, seconds);
      return ended;
    },
    ended({ task }, outcome) {
      running.delete(task.id);
      ends.set(task.id, outcome.status);
      run.emit(endingOf(task.id, outcome, took.get(task.id) ?? 0));
    },
  });
  const count = (status: TaskOutcome['status']) => [...ends.values()].filter((end) => end === status).length;

  /** Says in the folder, too, why the run does not go on. */
  const breakOff = (error: unknown) => {
    const { code, message, next } =
      error instanceof CapstoneError ? error : { code: 'internal', message: String(error), next: [] };
    const failure = { code, message, hint: next.join(' '), exit_code: null, signal: null };
    const pending = plan.tasks.filter(({ upToDate }) => !upToDate);
    const open = pending.filter(({ task }) => !ends.has(task.id)).map(({ task }) => task.id);
    for (const task of open) {
      if (running.has(task)) run.emit({ type: 'task_failed', task, ...failure, missing: [], log_tail: '' });
      else run.emit({ type: 'task_cancelled', task, because: 'the run broke off' });
    }
    const failed = count('failed') + open.filter((task) => running.has(task)).length;
    run.emit({
      type: 'run_ended',
      outcome: 'failed',
      succeeded: count('succeeded'),
      failed,
      up_to_date: plan.tasks.length - pending.length,
      cancelled: pending.length - count('succeeded') - failed,
      bounds_missed: 0,
      best: null,
      foreign_lines: foreignLines,
      seconds: (Date.now() - started) / 1000,
    });
  };
  const control: RunControl = {
    cancel() {
      if (cancelled) return;
      cancelled = true;
      run.emit({ type: 'run_stopping' });
      schedule.stop();
      for (const { task } of plan.tasks) executor.cancel(task.id, GRACE_S);
    },
    kill() {
      cancelled = true;
      schedule.stop();
      executor.kill();
    },
  };
  const stopListening = listenForRequests(
    run.paths.requests,
    (asked) => {
      switch (asked.type) {
        case 'cancel':
          return control.cancel();
        case 'cancel_task':
          schedule.cancel(asked.task);
          return executor.cancel(asked.task, GRACE_S);
        case 'retry_task':
          return schedule.retry(asked.task);
      }
    },
    (error) => schedule.fail(error),
  );

  try {
    announce(run, request);
    request.onStarted(control);
    await schedule.run();

    const all = [...upToDateRows(plan, workspace.rows), ...rows];
    writeJson(run.paths.results, all);
    const missed = missedBounds(all, job.require);
    for (const bound of missed) run.emit({ type: 'bound_missed', ...bound });
    const pending = plan.tasks.filter((task) => !task.upToDate).length;
    const counts = { succeeded: count('succeeded'), failed: count('failed') };
    const notRun = pending - counts.succeeded - counts.failed;
    // What is wanting without a failure was asked not to run.
    const outcome = cancelled
      ? 'cancelled'
      : counts.failed > 0
        ? 'failed'
        : notRun > 0
          ? 'cancelled'
          : 'done';
    run.emit({
      type: 'run_ended',
      outcome,
      ...counts,
      up_to_date: plan.tasks.length - pending,
      cancelled: notRun,
      bounds_missed: missed.length,
      best: bestInAWord(all),
      foreign_lines: foreignLines,
      seconds: (Date.now() - started) / 1000,
    });
    return { id: run.id, outcome, rows: all, boundsMissed: missed.length };
  } catch (error) {
    await executor.close(); // what still runs ends
    await turn(); // and says how
    try {
      breakOff(error);
    } catch {
      // A folder that cannot be written to: whoever gave the command hears it all the same.
    }
    throw error;
  } finally {
    stopListening();
    await executor.close();
    await run.close();
  }
}

/** How many artifacts fit into a rotation with their original, each taken to be as large as it. */
function roomBesideOriginal(task: Task): number {
  const bytes =
    task.kind === 'benchmark' ? statSync(task.paths.original, { throwIfNoEntry: false })?.size : undefined;
  return bytes === undefined ? 1 : Math.max(1, Math.floor(ROTATION_BYTES / bytes) - 1);
}

/** What the run is and what it is going to do; what an earlier execution of it came to is no longer its result. */
function announce(run: RunRecord, { job, plan, interpreter, version, resume }: RunRequest): void {
  rmSync(run.paths.results, { force: true });
  writeJson(run.paths.job, job);
  writeJson(run.paths.plan, plan);
  writeJson(run.paths.environment, {
    capstone: version,
    node: process.version,
    platform: process.platform,
    host: hostname(),
    interpreter,
    machine: describeMachine(),
  });
  run.emit({
    type: 'run_started',
    kind: job.kind,
    name: job.name ?? job.kind,
    resumed: resume !== undefined,
    host: hostname(),
    pid: process.pid,
  });
  for (const { task, label, because, needs, upToDate } of plan.tasks) {
    const about = { task: task.id, kind: task.kind, label, because };
    if (upToDate) run.emit({ type: 'task_up_to_date', ...about });
    else run.emit({ type: 'task_planned', ...about, needs: [...needs] });
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
