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
  const refused = await probe(path).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(MachineError);
  expect(refused).toMatchObject({ code, message: `${path} ${reason}`, next: NEXT });
});
