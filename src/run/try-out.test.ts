import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execaSync } from 'execa';
import { afterAll, expect, test } from 'vitest';
import { drawError } from '../errors/draw.ts';
import { tryOut } from './try-out.ts';

const ROOT = resolve(import.meta.dirname, '..', '..');
const PYTHON = process.env['CAPSTONE_PYTHON'] ?? join(ROOT, '.venv', 'bin', 'python');
const folder = mkdtempSync(join(tmpdir(), 'capstone-try-out-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('what the workers import is compiled, whatever the environment says of bytecode', async () => {
  const env = { PATH: process.env['PATH'], PYTHONDONTWRITEBYTECODE: '1', PYTHONPYCACHEPREFIX: folder };
  await tryOut(PYTHON, ROOT, env);
  const { stdout } = execaSync(PYTHON, [
    '-c',
    'import importlib.util as u; print(u.find_spec("torch").cached)',
  ]);
  const cached = stdout.replaceAll('/__pycache__/', '/');
  expect(existsSync(join(folder, cached))).toBe(true);
}, 60_000);

test('what does not run says why, and what to do', async () => {
  const broken = join(folder, 'python');
  writeFileSync(broken, '#!/bin/sh\necho "ImportError: libgomp.so.1: cannot open" >&2\nexit 1\n');
  chmodSync(broken, 0o755);
  const error = await tryOut(broken, ROOT, {}).catch((thrown: unknown) => thrown);
  expect(drawError(error).trimEnd().replaceAll(folder, '…')).toBe(
    [
      'error: what was installed does not run here: the worker host (…/python) ended with exit code 1:',
      'ImportError: libgomp.so.1: cannot open',
      '  Install what it says is missing, then run again: capstone setup',
      '  Or name an interpreter whose torch works here: CAPSTONE_PYTHON=PATH',
    ].join('\n'),
  );
});
