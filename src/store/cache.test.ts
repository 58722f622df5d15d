import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { PYTHON, temporaryFolder } from '../../test/rig.ts';
import { CACHES, clearCaches, describeCaches } from './cache.ts';

/** Prints a line when it holds the filelock that it was given, and keeps it until its stdin closes. */
const HOLD = `
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
`;

function cacheWith(files: Record<string, number>): string {
  const root = temporaryFolder();
  for (const [file, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), Buffer.alloc(bytes));
  }
  return root;
}

test('bytes and entries of every cache; locks and unfinished ones are no entries', () => {
  const root = cacheWith({
    'data/a-32/meta.json': 10,
    'data/a-32/train_images.npy': 1000,
    'data/a-64/meta.json': 5,
    'data/a-64.lock': 0,
    'data/a-96.partial/meta.json': 3,
    'manifests/1': 65,
    'manifests/2': 65,
    'manifests/.3.17-0123abcd.tmp': 7,
    'measure.lock': 0,
  });
  expect(describeCaches(root)).toEqual([
    { name: 'data', path: join(root, 'data'), bytes: 1018, entries: 2 },
    { name: 'logits', path: join(root, 'logits'), bytes: 0, entries: 0 },
    { name: 'best_originals', path: join(root, 'best_originals'), bytes: 0, entries: 0 },
    { name: 'manifests', path: join(root, 'manifests'), bytes: 137, entries: 2 },
    { name: 'digests', path: join(root, 'digests'), bytes: 0, entries: 0 },
    { name: 'weights', path: join(root, 'weights'), bytes: 0, entries: 0 },
  ]);
});

test('what Python keeps once it is measured lies in caches of these names', () => {
  const worker = join(import.meta.dirname, '..', '..', 'py', 'capstone_worker');
  const kept = readdirSync(worker, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.py'))
    .flatMap((file) => [...readFileSync(join(worker, file), 'utf8').matchAll(/\bkept\(\s*"(\w+)"/g)])
    .map(([, name]) => name);
  expect(kept.sort()).toEqual(['best_originals', 'logits']);
  expect(CACHES).toEqual(expect.arrayContaining(kept));
});

test('clearing removes entries and what killed processes left, and nothing beside the caches', () => {
  const root = cacheWith({
    'data/a-32/meta.json': 10,
    'data/b-32.partial/train_images.npy': 1000,
    'data/b-32.lock': 0,
    'logits/1.npy': 100,
    'digests/1': 65,
    'digests/.2.999999999-0123abcd.tmp': 7,
    'measure.lock': 0,
  });
  expect(clearCaches(root)).toBe(1182);
  expect(readdirSync(root).sort()).toEqual(['data', 'digests', 'logits', 'measure.lock']);
  expect(describeCaches(root).map(({ bytes }) => bytes)).toEqual([0, 0, 0, 0, 0, 0]);
  expect(readdirSync(join(root, 'data'))).toEqual([]);
  expect(clearCaches(root)).toBe(0);
});

test('nothing there is nothing to clear', () => {
  expect(clearCaches(join(temporaryFolder(), 'none'))).toBe(0);
});

test('what a living process is making stays', async () => {
  const writing = `digests/.1.${process.pid}-0123abcd.tmp`;
  const root = cacheWith({
    'data/a-32/meta.json': 10,
    'data/b-32.partial/train_images.npy': 1000,
    [writing]: 7,
  });
  const holder = spawn(PYTHON, ['-c', HOLD, join(root, 'data', 'b-32.lock')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(holder.stdout, 'data');
  expect(clearCaches(root)).toBe(10);
  expect(readdirSync(join(root, 'data')).sort()).toEqual(['b-32.lock', 'b-32.partial']);
  expect(existsSync(join(root, writing))).toBe(true);

  holder.kill('SIGKILL'); // leaves its lock file behind
  await once(holder, 'exit');
  expect(readdirSync(join(root, 'data')).sort()).toEqual(['b-32.lock', 'b-32.partial']);
  expect(clearCaches(root)).toBe(1000);
  expect(readdirSync(join(root, 'data'))).toEqual([]);
});
