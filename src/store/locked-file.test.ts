import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/rig.ts';
import { rewriteLocked } from './locked-file.ts';

test('rewrites that overlap all count, and the lock is given back after a transform that throws', async () => {
  const folder = temporaryFolder();
  const file = join(folder, 'rows.csv');
  const lock = `${file}.lock`;
  const rewrites = [1, 2, 3].map((row) => rewriteLocked(file, lock, (text = 'rows\n') => `${text}${row}\n`));
  await Promise.all(rewrites);
  const failing = rewriteLocked(file, lock, () => {
    throw new RangeError('no');
  });
  await expect(failing).rejects.toThrow(new RangeError('no'));
  expect(readFileSync(file, 'utf8').split('\n').sort()).toEqual(['', '1', '2', '3', 'rows']);
  expect(readdirSync(folder)).toEqual(['rows.csv']);
});
