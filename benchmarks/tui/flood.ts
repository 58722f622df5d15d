/**
 * A run that says a great deal: 10,000 events a second for 10 s, by the real host, written to its folder as
 * `capstone run` writes it. Its workspace and id are its arguments; says on stdout how many events were written.
 */
import { join } from 'node:path';
import process from 'node:process';
import { openRunRecord } from '../../src/run/run-record.ts';
import type { Task } from '../../src/spec/task.ts';
import { WorkerHost } from '../../src/worker/host.ts';

const EVENTS = 100_000;
const PER_S = 10_000;

const root = process.cwd();
const [workspace = '', id = ''] = process.argv.slice(2);
const label = (task: string) => ({ task, kind: 'train' as const, label: `train ${task} on cifar10` });

let written = 0;
const run = await openRunRecord(workspace, id, () => {
  written += 1;
});
run.emit({
  type: 'run_started',
  kind: 'sweep',
  name: 'flood',
  resumed: false,
  host: 'here',
  pid: process.pid,
});
for (const task of ['flood', 'rest'])
  run.emit({ type: 'task_planned', ...label(task), because: '', needs: [] });
run.emit({ type: 'task_queued', task: 'flood' });
const host = new WorkerHost({
  python: process.env['CAPSTONE_PYTHON'] ?? join(root, '.venv', 'bin', 'python'),
  packageRoot: root,
  script: join(root, 'benchmarks', 'scale', 'flood_host.py'),
  hostLogPath: run.paths.hostLog,
  env: process.env,
  onEvent: run.record,
  onForeign(line) {
    throw new Error(`no event: ${line}`);
  },
});
await host.start();
const task = { id: 'flood', kind: 'flood', threads: 1, events: EVENTS, per_s: PER_S };
const outcome = await host.run({ ...task, log_path: run.paths.taskLog('flood') } as unknown as Task);
await host.stop();
if (outcome.status !== 'succeeded') throw new Error(`the task ${JSON.stringify(outcome)}`);
run.emit({ type: 'task_succeeded', task: 'flood', seconds: EVENTS / PER_S });
run.emit({ type: 'task_cancelled', task: 'rest', because: 'of no use' });
run.emit({
  type: 'run_ended',
  outcome: 'done',
  succeeded: 1,
  up_to_date: 0,
  failed: 0,
  cancelled: 1,
  bounds_missed: 0,
  best: null,
  foreign_lines: 0,
  seconds: EVENTS / PER_S,
});
await run.close();
process.stdout.write(`${written}\n`);
