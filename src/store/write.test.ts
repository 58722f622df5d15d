import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/rig.ts';
import { UserError } from '../errors/errors.ts';
import { writeJson, writeText } from './write.ts';

test('replaces the file, makes its folder, leaves nothing beside it', () => {
  const folder = join(temporaryFolder(), 'a', 'b');
  writeText(join(folder, 'file'), 'old');
  writeText(join(folder, 'file'), 'new ü');
  expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('new ü');
  expect(readdirSync(folder)).toEqual(['file']);
});

test('JSON is indented and ends in a newline', () => {
  const file = join(temporaryFolder(), 'job.json');
  writeJson(file, { levels: [1] });
  expect(readFileSync(file, 'utf8')).toBe('{\n  "levels": [\n    1\n  ]\n}\n');
});

test('a folder of that name is refused and left alone', () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'job.json'));
  expect(() => writeText(join(folder, 'job.json'), '{}')).toThrow(
    new UserError('output_not_writable', `${folder}/job.json cannot be written: it is a folder`, [
      'Check the permissions of its folder, or choose another.',
    ]),
  );
  expect(readdirSync(folder)).toEqual(['job.json']);
});

test('a file where a folder is needed is refused', () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'runs'), '');
  expect(() => writeText(join(folder, 'runs', 'x', 'job.json'), '{}')).toThrow(
    `${folder}/runs/x/job.json cannot be written: a file is where a folder is needed`,
  );
});
