/** What every command that runs a job shares: plan it, show the plan or run it live, print what came of it. */
import { relative } from 'node:path';
import { EXIT, type ExitCode } from '../errors/errors.ts';
import { visible } from '../errors/visible.ts';
import { planJob } from '../plan/plan.ts';
import type { Plan } from '../plan/planned.ts';
import { createProgress } from '../progress/progress.ts';
import { findInterpreter, type Interpreter } from '../python/find.ts';
import { describeMissed, missedBounds } from '../results/bounds.ts';
import { sortLines } from '../results/sort.ts';
import { toTable } from '../results/table.ts';
import type { LocalExecutor } from '../run/execute-local.ts';
import { gather, type Place } from '../run/gather.ts';
import { refuseUnwritablePlaces } from '../run/refuse-unwritable.ts';
import { localExecutor, type RunControl, runJob, upToDateRows } from '../run/run-job.ts';
import { abandonAhead, startAhead } from '../run/start-ahead.ts';
import type { Job } from '../spec/job.ts';
import type { Row } from '../spec/row.ts';
import { describeSource } from '../store/dataset.ts';
import { workspacePaths } from '../store/paths.ts';
import type { Flag, FlagValues, Io } from './definition.ts';
import { PLACE_FLAGS, placeFrom } from './place.ts';
import { needTrust } from './trust-code.ts';
import { version } from './version.ts';

export const EXECUTE_FLAGS: readonly Flag[] = [
  { name: '--dry-run', description: 'Print the plan and why each task runs; run nothing.' },
  { name: '--force', description: 'Replace files that are in the way, whatever they are.' },
  {
    name: '--json',
    description: 'Print the event stream on stdout, one JSON object a line; with --dry-run the plan.',
  },
  { name: '--python', value: 'PATH', description: 'Interpreter to use instead of the managed environment.' },
  ...PLACE_FLAGS,
];

const TABLE_WIDTH = 100;
/** npm hands one Ctrl-C on twice to the script it runs; a second signal this soon is the same press. */
const SAME_PRESS_MS = 500;

export async function executeJob(job: Job, flags: FlagValues, io: Io, resume?: string): Promise<ExitCode> {
  const place = placeFrom(flags, io);
  const python = flags['--python'];
  const interpreter = await findInterpreter({
    packageRoot: place.packageRoot,
    env: io.env,
    ...(typeof python === 'string' ? { python } : {}),
  });
  const executor = localExecutor(place, interpreter);
  const abandon = () => abandonAhead(executor, place.workspace);
  // Until there is a run to stop: nothing has been made yet, and nothing is left.
  const release = onSignals(() => void abandon().finally(() => process.exit(EXIT.cancelled)));
  try {
    return await planAndRun(job, { place, interpreter, executor, begun: release }, flags, io, resume);
  } finally {
    release();
    await abandon();
  }
}

interface Means {
  readonly place: Place;
  readonly interpreter: Interpreter;
  readonly executor: LocalExecutor;
  /** Called when the run can be stopped. */
  begun(): void;
}

async function planAndRun(
  job: Job,
  { place, interpreter, executor, begun }: Means,
  flags: FlagValues,
  io: Io,
  resume: string | undefined,
): Promise<ExitCode> {
  const isDry = flags['--dry-run'] === true;
  const known = await gather(job, place, interpreter, flags['--force'] === true, () => {
    if (!isDry) startAhead(executor, place.workspace);
  });
  const plan = planJob(job, known);
  const json = flags['--json'] === true;
  for (const [name, { source, root }] of known.datasets) {
    io.stderr.write(visible(`${name}: ${describeSource({ name, kind: source, root }, place.packageRoot)}\n`));
  }
  if (isDry) {
    io.stdout.write(json ? planToJson(plan) : visible(drawPlan(plan)));
    return EXIT.done;
  }
  // A run that is gone on with ends in its own folder all the same: it would stay interrupted for ever.
  if (resume === undefined && plan.tasks.every((task) => task.upToDate)) {
    io.stderr.write(`Everything is up to date: ${plan.tasks.length} tasks, nothing to run.\n`);
    const rows = upToDateRows(plan, workspacePaths(place.workspace).rows);
    if (!json) io.stdout.write(drawOutcome(plan, rows, io));
    const missed = missedBounds(rows, job.require);
    for (const bound of missed) io.stderr.write(`${describeMissed(bound)}\n`);
    return missed.length > 0 ? EXIT.boundMissed : EXIT.done;
  }
  await needTrust(plan, flags, io);
  refuseUnwritablePlaces(plan, place.workspace);

  const progress = createProgress({
    mode: json ? 'json' : io.stderr.isTTY ? 'block' : 'plain',
    stdout: io.stdout,
    stderr: io.stderr,
    env: io.env,
  });
  const release = { signals: () => {} };
  try {
    const summary = await runJob({
      job,
      plan,
      place,
      interpreter,
      executor,
      version: version(place.packageRoot),
      ...(resume === undefined ? {} : { resume }),
      onEvent: (event) => progress.event(event),
      onStarted: (control) => {
        begun();
        release.signals = stopOnSignals(control);
      },
    });
    progress.close();
    // Files are named when all of them were made; rows are measured, whatever became of the others.
    const made = summary.outcome === 'done' || (summary.outcome === 'failed' && summary.rows.length > 0);
    if (!json && made) io.stdout.write(drawOutcome(plan, summary.rows, io));
    switch (summary.outcome) {
      case 'done':
        return summary.boundsMissed > 0 ? EXIT.boundMissed : EXIT.done;
      case 'failed':
        return EXIT.taskFailed;
      case 'cancelled':
        return EXIT.cancelled;
    }
  } finally {
    progress.close();
    release.signals();
  }
}

/** Once: stop at a safe point. Again, later than a repeated press: at once. */
function stopOnSignals(control: RunControl): () => void {
  let first: number | undefined;
  return onSignals(() => {
    const now = Date.now();
    if (first === undefined) {
      first = now;
      control.cancel();
    } else if (now - first > SAME_PRESS_MS) {
      control.kill();
    }
  });
}

/** Whichever asks the program to end; until the returned function is called. */
function onSignals(onSignal: () => void): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  return () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
}

function drawPlan(plan: Plan): string {
  const lines = plan.tasks.map(
    ({ label, upToDate, because }) => `${upToDate ? 'up to date' : 'run       '}  ${label}: ${because}`,
  );
  const pending = plan.tasks.filter((task) => !task.upToDate).length;
  return `${lines.join('\n')}\n${pending} of ${plan.tasks.length} tasks to run\n`;
}

function planToJson({ tasks }: Plan): string {
  const planned = tasks.map(({ task, label, upToDate, because, needs, exclusive }) => ({
    id: task.id,
    kind: task.kind,
    label,
    up_to_date: upToDate,
    because,
    needs,
    exclusive,
    key: task.key,
    output: task.kind === 'benchmark' ? null : task.paths.output,
  }));
  const pending = planned.filter((task) => !task.up_to_date).length;
  return `${JSON.stringify({ to_run: pending, tasks: planned }, null, 2)}\n`;
}

/** Rows as a table; where a job measures nothing, the files it made, one a line. */
function drawOutcome(plan: Plan, rows: readonly Row[], io: Io): string {
  if (rows.length > 0) return toTable(sortLines(rows, []), { width: io.stdout.columns ?? TABLE_WIDTH });
  return plan.tasks
    .map(({ task }) => (task.kind === 'benchmark' ? '' : visible(`${relative(io.cwd, task.paths.output)}\n`)))
    .join('');
}
