/** Tasks that are handed over together, by a host whose tasks misbehave (py/fixtures/misbehaving_host.py). */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LocalExecutor } from '../src/run/execute-local.ts';
import type { WorkerEvent } from '../src/spec/event.ts';
import type { Task } from '../src/spec/task.ts';
import { PACKAGE_ROOT, PYTHON, temporaryFolder, until } from './rig.ts';

/** A package whose py/host.py is the misbehaving one. */
function executor() {
  const packageRoot = temporaryFolder();
  mkdirSync(join(packageRoot, 'py'));
  const [py, fixtures] = [join(PACKAGE_ROOT, 'py'), join(PACKAGE_ROOT, 'py', 'fixtures')];
  writeFileSync(
    join(packageRoot, 'py', 'host.py'),
    `import sys
sys.path[:0] = ${JSON.stringify([py, fixtures])}
from misbehaving_host import run
from capstone_worker.host.serve import main
main(run)
`,
  );
  const local = new LocalExecutor({ python: PYTHON, packageRoot, env: process.env });
  const events: WorkerEvent[] = [];
  const ends: [task: string, ending: string][] = [];
  local.listen({
    hostLogPath: join(packageRoot, 'host.log'),
    onEvent: (event) => events.push(event),
    onForeign: () => {},
  });
  const tasks = (...kinds: string[]) =>
    kinds.map((kind, index) => {
      const id = `${kind}-${index}`;
      return { id, kind, threads: 1, log_path: join(packageRoot, `${id}.log`) } as unknown as Task;
    });
  const run = (...kinds: string[]) =>
    local.run(tasks(...kinds), async ({ id }, outcome) => {
      ends.push([id, outcome.status === 'failed' ? outcome.code : outcome.status]);
    });
  const started = (task: string) =>
    events.filter((event) => event.type === 'started').filter((event) => event.task === task);
  return { local, run, ends, started };
}

test('tasks that run together are one process', async () => {
  const { local, run, ends, started } = executor();
  await run('succeeds', 'computes');
  await local.close();
  expect(ends).toEqual([
    ['succeeds-0', 'succeeded'],
    ['computes-1', 'succeeded'],
  ]);
  expect(started('succeeds-0')).toMatchObject([{ pid: started('computes-1')[0]?.pid }]);
});

test('where one of them fails, each runs again alone, and fails or succeeds for itself', async () => {
  const { local, run, ends, started } = executor();
  await run('succeeds', 'is_refused', 'has_a_bug', 'tears_a_line');
  await local.close();
  expect(ends).toEqual([
    ['succeeds-0', 'succeeded'],
    ['is_refused-1', 'checkpoint_truncated'],
    ['has_a_bug-2', 'internal'],
    ['tears_a_line-3', 'task_killed'],
  ]);
  expect(started('succeeds-0')).toHaveLength(2);
});

test('one that is cancelled stops all, and only the others run again', async () => {
  const { local, run, ends, started } = executor();
  const running = run('stops_when_asked', 'stops_when_asked');
  await until(() => started('stops_when_asked-1').length === 1);
  local.cancel('stops_when_asked-1', 10);
  await until(() => started('stops_when_asked-0').length === 2);
  local.cancel('stops_when_asked-0', 10);
  await running;
  await local.close();
  expect(ends).toEqual([
    ['stops_when_asked-1', 'cancelled'],
    ['stops_when_asked-0', 'cancelled'],
  ]);
  expect(started('stops_when_asked-1')).toHaveLength(1);
});

test('what waits for its turn alone can be cancelled, and then does not start', async () => {
  const { local, run, ends, started } = executor();
  const running = run('is_refused', 'stops_when_asked', 'succeeds');
  await until(() => started('stops_when_asked-1').length === 2);
  local.cancel('succeeds-2', 10);
  local.cancel('stops_when_asked-1', 10);
  await running;
  await local.close();
  expect(ends).toEqual([
    ['is_refused-0', 'checkpoint_truncated'],
    ['stops_when_asked-1', 'cancelled'],
    ['succeeds-2', 'cancelled'],
  ]);
  expect(started('succeeds-2')).toHaveLength(1);
});
