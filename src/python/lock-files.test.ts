import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { lockFileFor, pinnedPythons } from './lock-files.ts';

const root = resolve(import.meta.dirname, '..', '..');
const read = (file: string) => readFileSync(join(root, file), 'utf8');

test.each([
  ['default', 'linux', 'x64', 'requirements.txt'],
  ['cpu', 'linux', 'x64', 'requirements-cpu.txt'],
  ['cpu', 'linux', 'arm64', 'requirements.txt'],
  ['cpu', 'darwin', 'x64', 'requirements.txt'],
  ['cpu', 'darwin', 'arm64', 'requirements.txt'],
] as const)('%s on %s %s is installed from %s', (variant, os, arch, file) => {
  expect(lockFileFor(variant, { os, arch })).toBe(file);
});

test.each([
  ['torch==2.2.2 \\\n    --hash=sha256:00\ntorchvision==0.17.2\n', ['3.12', '3.11', '3.10']],
  [
    "torch==2.2.2+cpu ; python_version == '3.10' \\\n    --hash=sha256:00\n" +
      "torch==2.2.2+cpu ; python_version == '3.11' \\\n    --hash=sha256:11\n" +
      "torchvision==0.17.2+cpu ; python_version == '3.10' --hash=sha256:22\n",
    ['3.10'],
  ],
  ['torch==2.2.2\n', []],
  ['torchvision==0.17.2\n', []],
])('%j serves %j', (lock, pythons) => {
  expect(pinnedPythons(lock)).toEqual(pythons);
});

test('requirements.txt serves every Python that capstone runs on', () => {
  expect(pinnedPythons(read('requirements.txt'))).toEqual(['3.12', '3.11', '3.10']);
});

test('but for torch and what comes with CUDA, both lock files hold the same', () => {
  const others = (text: string) =>
    text
      .split(/\n(?=\S)/)
      .map((entry) => entry.replace(/\n +# .*/g, '').trimEnd())
      .filter((entry) => !/^(#|torch|torchvision|triton|nvidia-)/.test(entry));
  expect(others(read('requirements-cpu.txt'))).toEqual(others(read('requirements.txt')));
});
