/**
 * The orchestrator at scale: 100,000 events from a task to the reducer, a CSV of 10,000 rows, a plan of 10,000 tasks.
 *
 *     npm run scale [-- events csv plan]
 *
 * Bars: >= 20,000 events/s through host, run folder and reducer, none lost, memory flat; the CSV rewritten in
 * < 300 ms; the plan in < 2 s. Exits 1 when one is missed.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import type { Known } from '../../src/plan/known.ts';
import { planJob } from '../../src/plan/plan.ts';
import { parseCsv, toCsv } from '../../src/results/csv.ts';
import { mergeRows } from '../../src/results/merge.ts';
import { openRunRecord } from '../../src/run/run-record.ts';
import type { RunEvent } from '../../src/spec/event.ts';
import { Job } from '../../src/spec/job.ts';
import { Recipe } from '../../src/spec/recipe.ts';
import type { Task } from '../../src/spec/task.ts';
import { emptyRun, reduceRun } from '../../src/state/reduce.ts';
import { readEvents } from '../../src/store/event-log.ts';
import { rewriteLocked } from '../../src/store/locked-file.ts';
import { workspacePaths } from '../../src/store/paths.ts';
import { WorkerHost } from '../../src/worker/host.ts';
import { manyRows } from './many-rows.ts';

const RUNS = 5;
const EVENTS = 100_000;
const ROWS = 10_000;
/** Of 11 tasks each: a training, five compressions, five benchmarks. */
const SEEDS = 910;
const BARS = { eventsPerS: 20_000, grownMb: 30, csvMs: 300, planMs: 2000 };

const root = process.cwd(); // npm run starts it there
const python = process.env['CAPSTONE_PYTHON'] ?? join(root, '.venv', 'bin', 'python');
const scratch = mkdtempSync(join(tmpdir(), 'capstone-scale-'));

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const say = (line: string) => process.stdout.write(`${line}\n`);
const spread = (values: readonly number[], decimals = 0) =>
  `median ${median(values).toFixed(decimals)} (${Math.min(...values).toFixed(decimals)}-${Math.max(...values).toFixed(decimals)}, n=${values.length})`;

/** Resident memory of a process in MB. */
function residentMb(pid: number): number {
  const kb = readFileSync(`/proc/${pid}/status`, 'utf8').match(/^VmRSS:\s+(\d+)/m)?.[1];
  return Number(kb) / 1000;
}

interface Flood {
  readonly perS: number;
  readonly grownMb: number;
  readonly hostGrownMb: number;
  readonly readMs: number;
}

/** One task floods; what arrives is written to the run folder, reduced, and looked at for gaps. */
async function flood(index: number): Promise<Flood> {
  let view = emptyRun('flood');
  let metrics = 0;
  let lastSeq = 0;
  let started = 0;
  let ended = 0;
  let hostPid = 0;
  const resident = { early: 0, late: 0, hostEarly: 0, hostLate: 0 };
  const measure = (when: 'early' | 'late') => {
    globalThis.gc?.();
    resident[when] = residentMb(process.pid);
    resident[when === 'early' ? 'hostEarly' : 'hostLate'] = residentMb(hostPid);
  };
  const workspace = join(scratch, `flood-${index}`);
  const run = await openRunRecord(workspace, 'flood', (event: RunEvent) => {
    view = reduceRun(view, event);
  });
  const host = new WorkerHost({
    python,
    packageRoot: root,
    script: resolve(root, 'benchmarks', 'scale', 'flood_host.py'),
    hostLogPath: run.paths.hostLog,
    env: process.env,
    onEvent(event) {
      if ('seq' in event && event.seq !== lastSeq + 1)
        throw new Error(`event ${event.seq} came after ${lastSeq}`);
      if ('seq' in event) lastSeq = event.seq;
      run.record(event);
      if (event.type === 'hello') hostPid = event.pid;
      if (event.type !== 'metric') return;
      metrics += 1;
      if (metrics === 1) started = performance.now();
      if (metrics === EVENTS / 10) measure('early');
      if (metrics === EVENTS) {
        ended = performance.now();
        measure('late');
      }
    },
    onForeign(line) {
      throw new Error(`no event: ${line}`);
    },
  });
  await host.start();
  const task = {
    id: 'flood',
    kind: 'flood',
    threads: 1,
    events: EVENTS,
    log_path: run.paths.taskLog('flood'),
  };
  const outcome = await host.run(task as unknown as Task);
  await host.stop();
  await run.close();
  if (outcome.status !== 'succeeded') throw new Error(`the task ${JSON.stringify(outcome)}`);
  const before = performance.now();
  const { events } = readEvents(run.paths.events, 0);
  const readMs = performance.now() - before;
  const kept = events.filter(({ type }) => type === 'metric').length;
  if (metrics !== EVENTS || kept !== EVENTS) throw new Error(`${metrics} events came, ${kept} were kept`);
  events.forEach((event, at) => {
    if (event.run_seq !== at + 1) throw new Error(`run_seq ${event.run_seq} at line ${at + 1}`);
  });
  return {
    perS: (1000 * (EVENTS - 1)) / (ended - started),
    grownMb: resident.late - resident.early,
    hostGrownMb: resident.hostLate - resident.hostEarly,
    readMs,
  };
}

async function events(): Promise<boolean> {
  const floods: Flood[] = [];
  for (let run = 0; run < RUNS; run += 1) floods.push(await flood(run));
  const of = (key: keyof Flood) => floods.map((one) => one[key]);
  say(
    `events/s through host, run folder and reducer: ${spread(of('perS'))}; bar ${BARS.eventsPerS}; none lost`,
  );
  say(
    `  resident memory from event ${EVENTS / 10} to ${EVENTS}, MB: orchestrator ${spread(of('grownMb'), 1)}, host ${spread(of('hostGrownMb'), 1)}; bar ${BARS.grownMb}`,
  );
  say(`  the run folder read again, ms: ${spread(of('readMs'))}`);
  return (
    median(of('perS')) >= BARS.eventsPerS && Math.max(...of('grownMb'), ...of('hostGrownMb')) <= BARS.grownMb
  );
}

/** As after every benchmark: read, merge two new rows, sort, write aside, sync, rename. */
async function csv(): Promise<boolean> {
  const paths = workspacePaths(join(scratch));
  const rows = manyRows(ROWS);
  await rewriteLocked(paths.rows, paths.rowsLock, () => toCsv(mergeRows([], rows)));
  const times: number[] = [];
  for (let run = 0; run < RUNS; run += 1) {
    const newer = rows.slice(run, run + 2).map((row) => ({ ...row, speedup: 2 + run }));
    const before = performance.now();
    await rewriteLocked(paths.rows, paths.rowsLock, (text) =>
      toCsv(mergeRows(parseCsv(text ?? '').rows, newer)),
    );
    times.push(performance.now() - before);
  }
  const kept = parseCsv(readFileSync(paths.rows, 'utf8')).rows.length;
  if (kept !== ROWS) throw new Error(`${kept} rows stand in the CSV, ${ROWS} were written`);
  say(`a CSV of ${ROWS} rows rewritten with two new ones, ms: ${spread(times)}; bar ${BARS.csvMs}`);
  return median(times) < BARS.csvMs;
}

function plan(): boolean {
  const recipe = Recipe.parse(JSON.parse(readFileSync(join(root, 'recipes', 'classic.json'), 'utf8')));
  const job = Job.parse({
    version: 1,
    kind: 'sweep',
    seeds: Array.from({ length: SEEDS }, (_, seed) => seed),
  });
  const known: Known = {
    workspace: '/w',
    software: { torch: '2.2.2', torchvision: '0.17.2', numpy: '1.26.4', onnxruntime: null, openvino: null },
    cpu: { model: 'A CPU', isa: ['avx2'] },
    isa: 'avx2',
    int8Backend: 'x86',
    threads: 2,
    precisions: [],
    recipes: new Map([['classic', recipe]]),
    datasets: new Map([['fashion_mnist_mini', { source: 'bundled', root: '/data', digest: 'd'.repeat(64) }]]),
    files: new Map(),
    codes: new Map(),
    rows: [],
    partials: new Set(),
    partialFolder: (key) => `/w/checkpoints/.partial/${key}`,
    force: false,
  };
  const times: number[] = [];
  let tasks = 0;
  for (let run = 0; run < RUNS; run += 1) {
    const before = performance.now();
    tasks = planJob(job, known).tasks.length;
    times.push(performance.now() - before);
  }
  say(`a plan of ${tasks} tasks, ms: ${spread(times)}; bar ${BARS.planMs}`);
  return median(times) < BARS.planMs;
}

const parts: Readonly<Record<string, () => boolean | Promise<boolean>>> = { events, csv, plan };
const asked = process.argv.slice(2);
const held: boolean[] = [];
try {
  for (const [name, part] of Object.entries(parts)) {
    if (asked.length === 0 || asked.includes(name)) held.push(await part());
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
const isHeld = held.every(Boolean);
say(
  `node ${process.version}, ${cpus().length} x ${cpus()[0]?.model}, load ${loadavg()[0]?.toFixed(1)}: ${isHeld ? 'held' : 'MISSED'}`,
);
process.exitCode = isHeld ? 0 : 1;
