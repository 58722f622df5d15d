/** Tasks that are handed over together, by a host whose tasks misbehave (py/fixtures/misbehaving_host.py). */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { LocalExecutor } from '../src/run/execute-local.ts';
import type { WorkerEvent } from '../src/spec/event.ts';
import type { Task } from '../src/spec/task.ts';
import { isRunning, PACKAGE_ROOT, PYTHON, temporaryFolder, until } from './rig.ts';

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
  const run = async (...kinds: string[]) => {
    const ended = await local.run(tasks(...kinds));
    return ended.map(({ task, outcome }) => [
      task.id,
      outcome.status === 'failed' ? outcome.code : outcome.status,
    ]);
  };
  const started = (task: string) =>
    events.filter((event) => event.type === 'started').filter((event) => event.task === task);
  return { local, run, started };
}

test('tasks that run together are one process', async () => {
  const { local, run, started } = executor();
  const ends = await run('succeeds', 'computes');
  await local.close();
  expect(ends).toEqual([
    ['succeeds-0', 'succeeded'],
    ['computes-1', 'succeeded'],
  ]);
  expect(started('succeeds-0')).toMatchObject([{ pid: started('computes-1')[0]?.pid }]);
});

test('where one of them fails, none of them is blamed', async () => {
  const { local, run } = executor();
  const ends = await run('succeeds', 'is_refused');
  await local.close();
  expect(ends).toEqual([
    ['succeeds-0', 'task_silent'],
    ['is_refused-1', 'task_silent'],
  ]);
});

test('one that is cancelled stops the others', async () => {
  const { local, run, started } = executor();
  const running = run('stops_when_asked', 'stops_when_asked');
  await until(() => started('stops_when_asked-1').length === 1);
  local.cancel('stops_when_asked-1', 10);
  const ends = await running;
  await local.close();
  expect(ends).toEqual([
    ['stops_when_asked-0', 'task_silent'],
    ['stops_when_asked-1', 'cancelled'],
  ]);
});

test('one that is cancelled before the host is there does not start, and the others do', async () => {
  const { local, run, started } = executor();
  const running = run('succeeds', 'succeeds', 'computes');
  local.cancel('succeeds-1', 10);
  const ends = await running;
  await local.close();
  expect(ends).toEqual([
    ['succeeds-0', 'succeeded'],
    ['succeeds-1', 'cancelled'],
    ['computes-2', 'succeeded'],
  ]);
  expect(started('succeeds-1')).toEqual([]);
});

test('a host that is killed fails all of them', async () => {
  const { local, run, started } = executor();
  const running = run('never_asks', 'never_asks');
  const { pid } = (await until(() => started('never_asks-1')[0])) ?? { pid: 0 };
  local.kill();
  expect(await running).toEqual([
    ['never_asks-0', 'cancelled'],
    ['never_asks-1', 'cancelled'],
  ]);
  await local.close();
  expect(isRunning(pid)).toBe(false);
});

test('a host that is ended while it imports leaves its tasks cancelled', async () => {
  const packageRoot = temporaryFolder();
  mkdirSync(join(packageRoot, 'py'));
  const pid = join(packageRoot, 'pid');
  const sleeps = `import os, time\nopen(${JSON.stringify(pid)}, 'w').write(str(os.getpid()))\ntime.sleep(100)\n`;
  writeFileSync(join(packageRoot, 'py', 'host.py'), sleeps);
  const local = new LocalExecutor({ python: PYTHON, packageRoot, env: process.env });
  local.listen({ hostLogPath: join(packageRoot, 'host.log'), onEvent: () => {}, onForeign: () => {} });
  const task = { id: 'a', kind: 'train', threads: 1 } as unknown as Task;
  const running = local.run([task]);
  await until(() => existsSync(pid) && readFileSync(pid, 'utf8') !== '');
  local.cancel('a', 10);
  local.kill();
  expect(await running).toEqual([{ task, outcome: { status: 'cancelled' } }]);
  await local.close();
  expect(isRunning(Number(readFileSync(pid, 'utf8')))).toBe(false);
});
