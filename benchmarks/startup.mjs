/**
 * What `capstone --help` costs over starting node, interleaved in one run: median of N each.
 *
 *     npm run build && node benchmarks/startup.mjs [N]
 *
 * Bar: help <= 1.5 x bare node + 60 ms. Exits 1 when it is missed.
 */
import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { resolve } from 'node:path';
import process from 'node:process';

const runs = Number(process.argv[2] ?? 20);
const cli = resolve(import.meta.dirname, '..', 'dist', 'cli.js');
const commands = { node: ['-e', '0'], help: [cli, '--help'] };
const times = { node: [], help: [] };

for (let run = -1; run < runs; run += 1) {
  for (const [name, args] of Object.entries(commands)) {
    const started = process.hrtime.bigint();
    const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' });
    if (status !== 0) throw new Error(`node ${args.join(' ')} exited with ${status}`);
    const ms = Number(process.hrtime.bigint() - started) / 1e6;
    if (run >= 0) times[name].push(ms); // the first pair warms the disk cache
  }
}

const quantile = (values, q) => [...values].sort((a, b) => a - b)[Math.round(q * (values.length - 1))];
const median = (values) => quantile(values, 0.5);
for (const [name, values] of Object.entries(times)) {
  const spread = `${quantile(values, 0.1).toFixed(0)}-${quantile(values, 0.9).toFixed(0)}`;
  process.stdout.write(
    `${name.padEnd(5)} median ${median(values).toFixed(1)} ms, p10-p90 ${spread} ms, n=${runs}\n`,
  );
}
const bar = 1.5 * median(times.node) + 60;
const within = median(times.help) <= bar;
process.stdout.write(
  `help/node ${(median(times.help) / median(times.node)).toFixed(2)}, bar ${bar.toFixed(0)} ms: ${within ? 'held' : 'MISSED'}\n`,
);
process.stdout.write(`node ${process.version}, ${cpus().length} x ${cpus()[0]?.model}\n`);
process.exitCode = within ? 0 : 1;
