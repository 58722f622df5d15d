/** What the UI asks for, done: requests to runs, new processes, files. A refusal is said, never thrown. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CapstoneError } from '../../errors/errors.ts';
import type { JobKind } from '../../spec/job.ts';
import { runPaths } from '../../store/paths.ts';
import { appendRequest, type RequestOfRun } from '../../store/requests.ts';
import { readRunEnds, removeRun } from '../../store/runs.ts';
import { writeText } from '../../store/write.ts';
import type { JobForm, Outcome, RunActions } from '../../tui/run-source.ts';
import { checkFlags } from '../job-file.ts';
import { jobFromFlags } from '../job-flags.ts';
import { startRun } from './start-run.ts';

const LEAVES_MS = 10_000;
const POLL_MS = 100;

export interface ActingPlace {
  readonly packageRoot: string;
  readonly workspace: string;
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
}

export function runActions(place: ActingPlace): RunActions {
  const { packageRoot, workspace, cwd } = place;
  const request = (run: string, asked: Omit<RequestOfRun, 'ts'>, said: string) =>
    attempt(() => {
      const { requests } = runPaths(workspace, run);
      appendRequest(requests, { ...asked, ts: new Date().toISOString() } as RequestOfRun);
      return said;
    });
  return {
    startQuickstart: () =>
      startRun({ ...place, args: ['run', '--spec', join(packageRoot, 'examples', 'quickstart.json')] }),
    start: (job) => startJob(job, place),
    async resume(run) {
      await untilLeft(workspace, run);
      return startRun({ ...place, args: ['run', '--resume', run], run });
    },
    cancel: (run) => request(run, { type: 'cancel' }, `asked ${run} to stop; what it has done is kept`),
    cancelTask: (run, task) =>
      request(
        run,
        { type: 'cancel_task', task } as never,
        `asked ${task} to stop; what needs it will not run`,
      ),
    retryTask: (run, task) =>
      request(run, { type: 'retry_task', task } as never, `asked to run ${task} again`),
    remove: (run) =>
      attempt(() => {
        if (readRunEnds(workspace, run).owner?.alive === true) throw new Error(`${run} is still running`);
        removeRun(workspace, run);
        return `deleted ${run}`;
      }),
    write: (path, text) =>
      attempt(() => {
        const file = resolve(cwd, path);
        writeText(file, text);
        return `wrote ${relative(cwd, file)}`;
      }),
  };
}

/** A run that has said its last word is its orchestrator's for a moment longer: nobody should have to press again. */
async function untilLeft(workspace: string, run: string): Promise<void> {
  for (let waited = 0; waited < LEAVES_MS; waited += POLL_MS) {
    const { last, owner } = readRunEnds(workspace, run);
    if (last?.type !== 'run_ended' || owner?.alive !== true) return;
    await sleep(POLL_MS);
  }
}

/** Through a file that lies elsewhere: paths in it are absolute, and what was not typed is left to its defaults. */
async function startJob({ kind, values }: JobForm, place: ActingPlace): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'capstone-'));
  try {
    const raw = jobFromFlags(kind as JobKind, values);
    const { data_root, ...job } = checkFlags(raw, place.cwd);
    const spec = join(folder, 'job.json');
    writeFileSync(spec, JSON.stringify('data_root' in raw ? { data_root, ...job } : job));
    return await startRun({ ...place, args: ['run', '--spec', spec] });
  } catch (error) {
    return refused(error);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function attempt(act: () => string): Outcome {
  try {
    return { ok: true, said: act() };
  } catch (error) {
    return refused(error);
  }
}

function refused(error: unknown): Outcome {
  if (error instanceof CapstoneError) return { ok: false, said: [error.message, ...error.next].join('. ') };
  return { ok: false, said: error instanceof Error ? error.message : String(error) };
}
