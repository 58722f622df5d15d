/**
 * What the program costs beside its tasks: `capstone run` of a sweep against the same tasks, from that run's plan, in
 * one Python process (benchmarks/scale/tasks_in_one_process.py), in turns.
 *
 *     npm run build && node benchmarks/overhead.mjs [--runs 5]
 *
 * In it: node, planning, the worker host, a fork for each task, or for several together, events, the run folder, the
 * CSV. Against it: levels are compressed side by side. Both begin with an empty cache and import torch once.
 *
 * Bar: the program takes at most 1.05 times as long. Exits 1 when it is missed.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { execa } from 'execa';

const { values: options } = parseArgs({ options: { runs: { type: 'string', default: '5' } } });
const BAR = 1.05;
const root = resolve(import.meta.dirname, '..');
const python = process.env.CAPSTONE_PYTHON ?? join(root, '.venv', 'bin', 'python');
const spec = {
  version: 1,
  kind: 'sweep',
  models: ['resnet18'],
  train: { epochs: 3, batch_size: 128 },
  benchmark: { max_eval_samples: 500 },
};
const scratch = mkdtempSync(join(tmpdir(), 'capstone-overhead-'));

async function seconds(command, args, cache) {
  const started = process.hrtime.bigint();
  const env = { XDG_CACHE_HOME: cache };
  await execa(command, args, { stdio: ['ignore', 'ignore', 'inherit'], env });
  return Number(process.hrtime.bigint() - started) / 1e9;
}

const times = { program: [], process: [] };
try {
  for (let run = 0; run < Number(options.runs); run += 1) {
    const ours = join(scratch, `program-${run}`);
    const theirs = join(scratch, `process-${run}`);
    mkdirSync(ours);
    mkdirSync(theirs);
    writeFileSync(join(ours, 'job.json'), JSON.stringify(spec));
    const args = ['run', '--spec', join(ours, 'job.json'), '--workspace', ours, '--json'];
    times.program.push(
      await seconds(process.execPath, [join(root, 'dist', 'cli.js'), ...args], join(ours, 'cache')),
    );
    const [id] = readdirSync(join(ours, 'runs'));
    const plan = readFileSync(join(ours, 'runs', id, 'plan.json'), 'utf8').replaceAll(ours, theirs);
    writeFileSync(join(theirs, 'plan.json'), plan);
    const script = join(root, 'benchmarks', 'scale', 'tasks_in_one_process.py');
    times.process.push(await seconds(python, [script, join(theirs, 'plan.json')], join(theirs, 'cache')));
    rmSync(ours, { recursive: true });
    rmSync(theirs, { recursive: true });
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
for (const [name, values] of Object.entries(times)) {
  const range = `${Math.min(...values).toFixed(1)}-${Math.max(...values).toFixed(1)}`;
  process.stdout.write(`${name}: median ${median(values).toFixed(1)} s (${range}, n=${values.length})\n`);
}
const ratios = times.program.map((value, index) => value / times.process[index]);
const isHeld = median(ratios) <= BAR;
process.stdout.write(
  `program / process: median ${median(ratios).toFixed(3)} (${ratios.map((ratio) => ratio.toFixed(3)).join(' ')}); bar ${BAR}\n` +
    `node ${process.version}, ${cpus().length} x ${cpus()[0]?.model}, load ${loadavg()[0].toFixed(1)}: ${isHeld ? 'held' : 'MISSED'}\n`,
);
process.exitCode = isHeld ? 0 : 1;
