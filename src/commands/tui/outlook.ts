/** What a job would come to: planned as `capstone run` plans it, and timed by what past runs took. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { CapstoneError } from '../../errors/errors.ts';
import { planJob } from '../../plan/plan.ts';
import type { Plan, PlannedTask } from '../../plan/planned.ts';
import { findInterpreter, type Interpreter } from '../../python/find.ts';
import { gather } from '../../run/gather.ts';
import type { JobKind } from '../../spec/job.ts';
import { parseJson } from '../../store/lines.ts';
import { runPaths } from '../../store/paths.ts';
import { runIds } from '../../store/runs.ts';
import type { JobForm, JobOutlook } from '../../tui/run-source.ts';
import { checkFlags, readRunJob } from '../job-file.ts';
import { jobFromFlags } from '../job-flags.ts';
import type { ActingPlace } from './act-on-runs.ts';

const RUNS_LOOKED_AT = 30;
/** A log beyond that is of a run like no other. */
const LOG_BYTES = 20_000_000;

export class Outlooks {
  readonly #place: ActingPlace;
  /** Finding it may start it, which takes seconds. */
  #interpreter: Promise<Interpreter> | undefined;

  constructor(place: ActingPlace) {
    this.#place = place;
  }

  /** A refusal is what the job comes to; never throws one. */
  async of({ kind, values }: JobForm): Promise<JobOutlook> {
    const { packageRoot, workspace, cwd, env } = this.#place;
    try {
      const job = checkFlags(jobFromFlags(kind as JobKind, values), cwd);
      this.#interpreter ??= findInterpreter({ packageRoot, env });
      const known = await gather(job, { workspace, packageRoot, env }, await this.#interpreter, false);
      return outlookOf(planJob(job, known), pastTimes(workspace));
    } catch (error) {
      this.#interpreter = undefined;
      if (error instanceof CapstoneError) return { refusal: [error.message, ...error.next].join('. ') };
      return { refusal: `bug: ${error}` }; // whatever it is, it is no reason to end the terminal UI
    }
  }
}

export interface PastTime {
  readonly seconds: number;
  /** Of a training. */
  readonly epochs: number | null;
}

/** By a task's id, which says what it is about: the last time it succeeded. */
export type PastTimes = ReadonlyMap<string, PastTime>;

export function outlookOf({ tasks }: Plan, past: PastTimes): JobOutlook {
  const missing = tasks.filter((task) => !task.upToDate);
  const times = missing.map((task) => estimate(task, past)).filter((time) => time !== undefined);
  return {
    tasks: tasks.length,
    upToDate: tasks.length - missing.length,
    seconds: times.length === 0 ? null : times.reduce((sum, time) => sum + time, 0),
    untimed: missing.length - times.length,
  };
}

function estimate({ task }: PlannedTask, past: PastTimes): number | undefined {
  const found = past.get(task.id);
  if (found === undefined) return undefined;
  const epochs = task.kind === 'train' ? task.spec.train.epochs : null;
  return epochs === null || found.epochs === null ? found.seconds : (found.seconds * epochs) / found.epochs;
}

/** Of the newest runs. */
export function pastTimes(workspace: string): PastTimes {
  const times = new Map<string, PastTime>();
  for (const id of runIds(workspace).slice(0, RUNS_LOOKED_AT)) {
    const { events, job } = runPaths(workspace, id);
    if (!existsSync(events) || statSync(events).size > LOG_BYTES) continue;
    const epochs = epochsOf(job, workspace);
    for (const line of readFileSync(events, 'utf8').split('\n')) {
      // Most lines are of other types, and need not be read.
      if (!line.includes('"type":"task_succeeded"')) continue;
      const { task, seconds } = (parseJson(line) ?? {}) as { task?: string; seconds?: number };
      if (task === undefined || seconds === undefined) continue; // torn, by a full disk
      if (!times.has(task)) times.set(task, { seconds, epochs: task.startsWith('train') ? epochs : null });
    }
  }
  return times;
}

function epochsOf(file: string, workspace: string): number | null {
  try {
    const job = readRunJob(file, workspace);
    return 'train' in job ? job.train.epochs : null;
  } catch {
    return null;
  }
}
