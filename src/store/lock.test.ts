import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { execa } from 'execa';
import { beforeAll, describe, expect, test } from 'vitest';
import { PACKAGE_ROOT, temporaryFolder } from '../../test/rig.ts';
import { MachineError } from '../errors/errors.ts';
import { acquireLock, lockOwner } from './lock.ts';

const AT_ONCE = { timeoutMs: 0 };
const newLock = () => join(temporaryFolder(), 'run', 'lock');
const ownerOf = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;

/** Takes the lock as this process, then makes the file say something else. */
async function lockOf(changes: Record<string, unknown>): Promise<string> {
  const path = newLock();
  await acquireLock(path, AT_ONCE);
  writeFileSync(path, JSON.stringify({ ...ownerOf(path), nonce: 'theirs', ...changes }));
  return path;
}

test('names its owner while held, leaves nothing when released', async () => {
  const path = newLock();
  expect(lockOwner(path)).toBeUndefined();
  const lock = await acquireLock(path, AT_ONCE);
  expect(Object.keys(ownerOf(path))).toEqual(['pid', 'start_time', 'boot_id', 'host', 'nonce']);
  expect(lockOwner(path)).toEqual({ pid: process.pid, host: hostname(), alive: true });
  await lock.release();
  expect(readdirSync(join(path, '..'))).toEqual([]);
});

test('held: waits, then names the owner', async () => {
  const path = newLock();
  await acquireLock(path, AT_ONCE);
  const started = performance.now();
  await expect(acquireLock(path, { timeoutMs: 120 })).rejects.toThrow(
    new MachineError('lock_held', `${path} is held by process ${process.pid} on ${hostname()}`, [
      'Wait for it to end; remove the file only if it has ended.',
    ]),
  );
  expect(performance.now() - started).toBeGreaterThan(115);
});

test('is got as soon as the other gives it back', async () => {
  const path = newLock();
  const first = await acquireLock(path, AT_ONCE);
  const second = acquireLock(path, { timeoutMs: 10_000 });
  await first.release();
  await (await second).release();
});

test.each([
  ['no such process', { pid: 2 ** 22 + 1 }],
  ['its pid has come again', { start_time: '1' }],
  ['the machine has booted since', { boot_id: 'other' }],
])('taken over when %s', async (_why, changes) => {
  const path = await lockOf(changes);
  expect(lockOwner(path)?.alive).toBe(false);
  const lock = await acquireLock(path, AT_ONCE);
  expect(lockOwner(path)).toEqual({ pid: process.pid, host: hostname(), alive: true });
  expect(readdirSync(join(path, '..'))).toEqual(['lock']);
  await lock.release();
});

test('taken over also after a taker that died', async () => {
  const path = await lockOf({ boot_id: 'other' });
  writeFileSync(`${path}.takeover`, readFileSync(path));
  await acquireLock(path, AT_ONCE);
  expect(lockOwner(path)?.alive).toBe(true);
  expect(readdirSync(join(path, '..'))).toEqual(['lock']);
});

test('never taken over from another host', async () => {
  const path = await lockOf({ host: 'elsewhere', boot_id: 'other', pid: 7 });
  expect(lockOwner(path)).toEqual({ pid: 7, host: 'elsewhere', alive: true });
  await expect(acquireLock(path, AT_ONCE)).rejects.toThrow(`${path} is held by process 7 on elsewhere`);
});

test('an unreadable lock is left alone for ten seconds', async () => {
  const path = newLock();
  mkdirSync(join(path, '..'));
  writeFileSync(path, '{"pid":');
  expect(lockOwner(path)).toBeUndefined();
  await expect(acquireLock(path, AT_ONCE)).rejects.toThrow(`${path} is held by nobody one can tell`);
  const elevenSecondsAgo = Date.now() / 1000 - 11;
  utimesSync(path, elevenSecondsAgo, elevenSecondsAgo);
  await acquireLock(path, AT_ONCE);
});

test('releasing what somebody else has taken since does nothing', async () => {
  const path = newLock();
  const lock = await acquireLock(path, AT_ONCE);
  writeFileSync(path, JSON.stringify({ ...ownerOf(path), nonce: 'theirs' }));
  await lock.release();
  expect(ownerOf(path)['nonce']).toBe('theirs');
});

test('a folder that cannot be made is refused in words', async () => {
  const path = newLock();
  writeFileSync(join(path, '..'), '');
  await expect(acquireLock(path, AT_ONCE)).rejects.toThrow(
    `${path} cannot be written: a file is where a folder is needed`,
  );
});

/** Each program adds `times` to a counter, one locked step at a time, and dies holding the lock after the last. */
const NODE_COUNTER = `
const { readFileSync, writeFileSync } = require('node:fs');
const { acquireLock } = require('./lock.cjs');
const [lockPath, counter, times] = process.argv.slice(2);
(async () => {
  for (let left = Number(times); left > 0; left -= 1) {
    const lock = await acquireLock(lockPath, { timeoutMs: 60000 });
    const count = Number(readFileSync(counter, 'utf8'));
    await new Promise((resume) => setTimeout(resume, Math.random() * 3));
    writeFileSync(counter, String(count + 1));
    if (left === 1) process.kill(process.pid, 'SIGKILL');
    await lock.release();
    await new Promise((resume) => setTimeout(resume, Math.random() * 3));
  }
})();
`;
const PYTHON_COUNTER = `
import os, random, signal, sys, time
from pathlib import Path
from capstone_worker.lock import acquire, release

lock_path, counter = map(Path, sys.argv[1:3])
for left in range(int(sys.argv[3]), 0, -1):
    nonce = acquire(lock_path, 60)
    count = int(counter.read_text())
    time.sleep(random.random() * 0.003)
    counter.write_text(str(count + 1))
    if left == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    release(lock_path, nonce)
    time.sleep(random.random() * 0.003)
`;

describe('processes of both languages that die holding it', () => {
  const folder = temporaryFolder();
  const programs = { node: join(folder, 'count.cjs'), python3: join(folder, 'count.py') };

  beforeAll(async () => {
    writeFileSync(programs.node, NODE_COUNTER);
    writeFileSync(programs.python3, PYTHON_COUNTER);
    await build({
      entryPoints: [join(import.meta.dirname, 'lock.ts')],
      bundle: true,
      platform: 'node',
      format: 'cjs',
      outfile: join(folder, 'lock.cjs'),
    });
  });

  test('lose no increment', async () => {
    const lock = join(folder, 'counter.lock');
    const counter = join(folder, 'counter');
    writeFileSync(counter, '0');
    const [lives, times] = [4, 8];
    const start = async (language: 'node' | 'python3') => {
      for (let life = 0; life < lives; life += 1) {
        const { signal, stderr } = await execa(language, [programs[language], lock, counter, String(times)], {
          env: { PYTHONPATH: join(PACKAGE_ROOT, 'py'), PYTHONDONTWRITEBYTECODE: '1' },
          reject: false,
        });
        expect({ signal, stderr }).toEqual({ signal: 'SIGKILL', stderr: '' });
      }
    };
    const starters = (['node', 'python3', 'node', 'python3', 'node', 'python3'] as const).map(start);
    await Promise.all(starters);
    expect(Number(readFileSync(counter, 'utf8'))).toBe(starters.length * lives * times);
    expect(readdirSync(folder).sort()).toEqual([
      'count.cjs',
      'count.py',
      'counter',
      'counter.lock',
      'lock.cjs',
    ]);
  }, 60_000);
});
