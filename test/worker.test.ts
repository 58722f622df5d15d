/** The worker host seen from our side, against hosts that misbehave: every ending is a value. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { WorkerEvent } from '../src/spec/event.ts';
import type { Task } from '../src/spec/task.ts';
import { WorkerHost } from '../src/worker/host.ts';
import { isRunning, PACKAGE_ROOT, temporaryFolder } from './rig.ts';

function hostOf(name: string, change: { python?: string; helloTimeoutMs?: number } = {}) {
  const hostLogPath = join(temporaryFolder(), 'host.log');
  const events: WorkerEvent[] = [];
  const foreign: string[] = [];
  const host = new WorkerHost({
    python: change.python ?? 'python3',
    packageRoot: PACKAGE_ROOT,
    hostLogPath,
    env: process.env,
    script: join(PACKAGE_ROOT, 'test', 'fixtures', `worker-${name}.py`),
    ...(change.helloTimeoutMs === undefined ? {} : { helloTimeoutMs: change.helloTimeoutMs }),
    onEvent: (event) => events.push(event),
    onForeign: (line) => foreign.push(line),
  });
  return { host, events, foreign, hostLogPath };
}

/** A fixture reads nothing of a task but its id. */
const TASK = { id: 'train-x' } as Task;

test('a host that goes without a word fails its task, whatever its exit code', async () => {
  const { host } = hostOf('dies-silently');
  await host.start();
  expect(await host.run(TASK)).toEqual({
    status: 'failed',
    code: 'host_gone',
    message: 'the worker host ended while the task was running',
    hint: 'Its last words stand in logs/host.log. Run again: what was done is kept.',
    exit_code: null,
    signal: null,
    missing: ['result', 'done', 'ended'],
    log_tail: '',
  });
  expect(host.state).toBe('stopped');
});

test('a host that ends before it is ready: its last words are in the error', async () => {
  const { host } = hostOf('dies-before-hello');
  await expect(host.start()).rejects.toMatchObject({
    code: 'host_failed',
    message: 'the worker host (python3) ended with exit code 1:\nImportError: no module named torch',
    next: ['Make the environment anew: capstone setup'],
    exitCode: 3,
  });
});

test('a host that never says hello is given up and killed', async () => {
  const { host } = hostOf('never-says-hello', { helloTimeoutMs: 300 });
  await expect(host.start()).rejects.toMatchObject({
    code: 'host_silent',
    message: 'the worker host (python3) said nothing for 0.3 s',
  });
  await host.stop();
  expect(host.state).toBe('stopped');
});

test('an interpreter that is not there', async () => {
  const { host } = hostOf('dies-silently', { python: '/nowhere/python' });
  await expect(host.start()).rejects.toMatchObject({
    code: 'host_failed',
    message: 'the worker host (/nowhere/python) could not be started: spawn /nowhere/python ENOENT',
  });
});

test('torn lines wait for their rest, two in one are two, and what is no event is foreign', async () => {
  const { host, events, foreign } = hostOf('tears-a-line');
  await host.start();
  expect(await host.run(TASK)).toEqual({ status: 'succeeded', values: { x: 1 } });
  expect(events.map((event) => event.type)).toEqual(['hello', 'log', 'result', 'done', 'ended']);
  expect(events[1]).toMatchObject({ message: 'größer' });
  expect(foreign).toEqual(['Traceback (most recent call last):']);
  await host.stop();
});

test('what a library prints goes into the log and is no event', async () => {
  const { host, foreign, hostLogPath } = hostOf('writes-to-stdout');
  await host.start();
  expect(await host.run(TASK)).toEqual({ status: 'succeeded', values: {} });
  await host.stop();
  expect(foreign).toEqual([]);
  expect(readFileSync(hostLogPath, 'utf8')).toBe(
    'a banner on stdout\n{"v": 1, "type": "done", "value": NaN}\n',
  );
});

test('a result without `done` is no success, and the failure names what was missing', async () => {
  const { host } = hostOf('forgets-done');
  await host.start();
  expect(await host.run(TASK)).toEqual({
    status: 'failed',
    code: 'task_silent',
    message: 'the task ended with exit code 0 and did not say that it was done',
    hint: 'Its last words stand in its log.',
    exit_code: 0,
    signal: null,
    missing: ['done'],
    log_tail: '',
  });
  await host.stop();
});

test('a host that ignores the end of stdin and SIGTERM is killed', async () => {
  const { host, events } = hostOf('ignores-sigterm');
  await host.start();
  const outcome = host.run(TASK);
  const pid = events.find((event) => event.type === 'hello')?.pid ?? 0;
  await host.stop();
  expect(isRunning(pid)).toBe(false);
  expect(await outcome).toMatchObject({ status: 'failed', code: 'host_gone' });
});
