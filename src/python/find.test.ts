import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { MachineError } from '../errors/errors.ts';
import { probe } from './find.ts';

const NEXT = [
  'Name a Python interpreter with --python or CAPSTONE_PYTHON, or leave both out and run: capstone setup',
];
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'capstone-find-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A program that answers as an interpreter with these versions would: such old ones are hard to come by. */
function interpreter(versions: Record<string, string>): string {
  const path = join(folder, 'python');
  writeFileSync(path, `#!/bin/sh\necho '${JSON.stringify(versions)}'\n`);
  chmodSync(path, 0o755);
  return path;
}

test.each([
  ['3.9.18', '2.2.2', 'python_too_old', 'is Python 3.9.18, and 3.10 is the oldest that works'],
  ['3.11.7', '2.1.0', 'torch_unsupported', 'has torch 2.1.0, and 2.2 to 2.11 work'],
  ['3.11.7', '2.12.0', 'torch_unsupported', 'has torch 2.12.0, and 2.2 to 2.11 work'],
])('Python %s with torch %s is refused', async (python, torch, code, reason) => {
  const path = interpreter({ python, torch, torchvision: '0.17.2', numpy: '1.26.4' });
  const refused = await probe(path, process.env).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(MachineError);
  expect(refused).toMatchObject({ code, message: `${path} ${reason}`, next: NEXT });
});

test.each([
  ['exit 0', 'it does not answer as Python does'],
  ['echo hello', 'it does not answer as Python does'],
  ["echo '[1]'", 'it does not answer as Python does'],
  ['exit 3', 'it ended with exit code 3'],
])('a program that is no Python: %s', async (script, reason) => {
  const path = join(folder, 'other');
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  const refused = await probe(path, process.env).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 'python_unusable', message: `${path} cannot be run: ${reason}` });
});

test('is asked where workers will run: without PYTHONPATH, whatever else is said first', async () => {
  const path = join(folder, 'python');
  const said = JSON.stringify({ python: '3.11.7', torch: '2.3.0', torchvision: '0.18.0', numpy: '1.26.4' });
  writeFileSync(path, `#!/bin/sh\necho "from $PYTHONPATH"\n[ -z "$PYTHONPATH" ] && echo '${said}'\n`);
  chmodSync(path, 0o755);
  const found = await probe(path, { ...process.env, PYTHONPATH: '/elsewhere' });
  expect(found).toMatchObject({ path, torch: '2.3.0' });
});
