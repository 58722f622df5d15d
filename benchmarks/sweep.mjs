/**
 * A five-level sweep against the classic loop of separate textbook scripts (benchmarks/textbook): train 2 epochs on
 * 5,000 CIFAR-10 images, evaluated on all 10,000 test images after each epoch; five levels of pruning and int8;
 * accuracy on 500 images and latency at batch 1 and 64 of original and artifact at each level.
 *
 *     npm run build && node benchmarks/sweep.mjs --data-root data [--runs 3] [--keep FOLDER]
 *
 * DATA/cifar10 holds {train,test}/<class>/*. Both take turns; ours starts with an empty cache each time, so that it
 * decodes 15,000 images once, where the loop decodes what it reads, each time it reads it. What both import is
 * compiled before, as it is after any first use: else four seconds of each of the loop's seven processes.
 *
 * Bars: the loop takes >= 2.5 times as long; all of ours that is not training <= 12 s. Exits 1 when one is missed.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { execa } from 'execa';

const { values: options } = parseArgs({
  options: {
    'data-root': { type: 'string', default: 'data' },
    runs: { type: 'string', default: '3' },
    keep: { type: 'string' },
  },
});
const root = resolve(import.meta.dirname, '..');
const cli = join(root, 'dist', 'cli.js');
const python = process.env.CAPSTONE_PYTHON ?? join(root, '.venv', 'bin', 'python');
const dataRoot = resolve(options['data-root']);
const SETTINGS = { epochs: 2, batch_size: 128, max_train_samples: 5000 };
const LEVELS = [1, 2, 3, 4, 5];
const BAR_RATIO = 2.5;
const BAR_OTHER_S = 12;

const spec = {
  version: 1,
  kind: 'sweep',
  models: ['resnet18'],
  datasets: ['cifar10'],
  data_root: dataRoot,
  train: SETTINGS,
  benchmark: { max_eval_samples: 500 },
};

/** Python writes bytecode unless it is told not to, as in many containers; neither side is measured without. */
const { PYTHONDONTWRITEBYTECODE: _, ...inherited } = process.env;

async function seconds(command, args, env = {}) {
  const started = process.hrtime.bigint();
  const stdio = ['ignore', 'ignore', 'inherit'];
  await execa(command, args, { stdio, env: { ...inherited, ...env }, extendEnv: false });
  return Number(process.hrtime.bigint() - started) / 1e9;
}

/** One sweep of ours, from nothing but the data: its wall time, and what of it the training task took. */
async function ours(folder) {
  const job = join(folder, 'job.json');
  writeFileSync(job, JSON.stringify(spec));
  const env = { XDG_CACHE_HOME: join(folder, 'cache') };
  const args = [cli, 'run', '--spec', job, '--workspace', folder, '--json'];
  const wall = await seconds(process.execPath, args, env);
  const [run] = readdirSync(join(folder, 'runs'));
  const events = readFileSync(join(folder, 'runs', run, 'events.ndjson'), 'utf8')
    .trim()
    .split('\n')
    .map(JSON.parse);
  return { wall, training: spanOf(events, (task) => task.startsWith('train-')) };
}

function spanOf(events, isOne) {
  const of = (type) => events.find((event) => event.type === type && isOne(event.task));
  return (Date.parse(of('ended').ts) - Date.parse(of('started').ts)) / 1000;
}

/** The same work as three kinds of scripts, seven processes. */
async function loop(folder) {
  const script = (name) => join(root, 'benchmarks', 'textbook', `${name}.py`);
  const checkpoint = join(folder, 'textbook.pth');
  const artifact = (level) => join(folder, `textbook_l${level}.pt`);
  const data = ['--data-root', join(dataRoot, 'cifar10')];
  const training = await seconds(python, [
    ...[script('train'), ...data, '--output', checkpoint],
    ...['--epochs', SETTINGS.epochs, '--batch-size', SETTINGS.batch_size],
    ...['--max-train-samples', SETTINGS.max_train_samples],
  ]);
  let other = 0;
  for (const level of LEVELS) {
    const output = ['--level', level, '--output', artifact(level)];
    other += await seconds(python, [script('compress'), '--checkpoint', checkpoint, ...output]);
  }
  const artifacts = ['--artifacts', ...LEVELS.map(artifact), '--max-eval-samples', 500];
  other += await seconds(python, [script('benchmark'), ...data, '--checkpoint', checkpoint, ...artifacts]);
  return { wall: training + other, training };
}

const scratch =
  options.keep === undefined ? mkdtempSync(join(tmpdir(), 'capstone-sweep-')) : resolve(options.keep);
const results = { ours: [], loop: [] };
/** What the program's tasks and the scripts import. */
const imports =
  'import torch, torchvision, torch.ao.quantization, torchvision.datasets, scipy.special, onnxruntime, openvino';
try {
  await seconds(python, ['-c', imports]);
  for (let run = 0; run < Number(options.runs); run += 1) {
    for (const [name, act] of Object.entries({ ours, loop })) {
      const folder = join(scratch, `${name}-${run}`);
      mkdirSync(folder, { recursive: true });
      const { wall, training } = await act(folder);
      results[name].push({ wall, training, other: wall - training });
      const [a, b, c] = [wall, training, wall - training].map((value) => value.toFixed(1));
      process.stdout.write(`run ${run + 1} ${name}: ${a} s, training ${b} s, all else ${c} s\n`);
    }
  }
} finally {
  if (options.keep === undefined) rmSync(scratch, { recursive: true, force: true });
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const range = (values) => `${Math.min(...values).toFixed(1)}-${Math.max(...values).toFixed(1)}`;
for (const [name, runs] of Object.entries(results)) {
  for (const part of ['wall', 'training', 'other']) {
    const values = runs.map((run) => run[part]);
    process.stdout.write(
      `${name} ${part}: median ${median(values).toFixed(1)} s, ${range(values)}, n=${values.length}\n`,
    );
  }
}
const ratios = results.loop.map((run, index) => run.wall / results.ours[index].wall);
const other = median(results.ours.map((run) => run.other));
const isHeld = median(ratios) >= BAR_RATIO && other <= BAR_OTHER_S;
process.stdout.write(
  `loop / ours: median ${median(ratios).toFixed(2)}, ${ratios.map((ratio) => ratio.toFixed(2)).join(' ')}; bar ${BAR_RATIO}\n` +
    `all of ours that is not training: ${other.toFixed(1)} s; bar ${BAR_OTHER_S} s\n` +
    `node ${process.version}, ${cpus().length} x ${cpus()[0]?.model}, load ${loadavg()[0].toFixed(1)}: ${isHeld ? 'held' : 'MISSED'}\n`,
);
process.exitCode = isHeld ? 0 : 1;
