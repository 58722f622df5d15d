/** Specs on a disk: what cannot be read, and what builds on what. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { refusal } from '../../test/fixtures/refusal.ts';
import { temporaryFolder } from '../../test/rig.ts';
import { mergeLayers } from '../spec/layers.ts';
import { readJsonFile } from './read-json.ts';
import { readLayers } from './read-layers.ts';

function folderWith(files: Record<string, string | Buffer>): string {
  const folder = temporaryFolder();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}
const refusalOf = (content: string | Buffer) => {
  const folder = folderWith({ 'job.json': content });
  return refusal(() => readJsonFile(join(folder, 'job.json'), 'spec', 'job.json'));
};

const CORRECT = 'Correct the file there: it has to be JSON.';
test.each([
  [
    'cut in half',
    '{\n  "version": 1,\n  "kind": "tr',
    [
      'spec_not_json',
      'job.json:3:11: expected a closing double quote, found "tr\n    "kind": "tr\n            ^^^',
      CORRECT,
    ],
  ],
  [
    'empty',
    '',
    [
      'spec_empty',
      'job.json: expected a spec, found an empty file',
      'Start from one of the files in examples/.',
    ],
  ],
  [
    'blank',
    '\ufeff \n',
    [
      'spec_empty',
      'job.json: expected a spec, found an empty file',
      'Start from one of the files in examples/.',
    ],
  ],
  [
    'not UTF-8',
    Buffer.from('{"version": 1,\n "name": "M\u00fcller"}', 'latin1'),
    [
      'spec_not_utf8',
      'job.json:2:12: expected UTF-8, found the byte 0xfc\n    "name": "M\ufffdller"}\n              ^',
      'Save the file as UTF-8.',
    ],
  ],
  [
    'too large',
    ' '.repeat(300_000),
    [
      'spec_too_large',
      'job.json: expected a spec of at most 256 KiB, found 300000 bytes',
      'Check that it is the right file.',
    ],
  ],
])('a file that is %s', (_what, content, expected) => {
  expect(refusalOf(content)).toEqual(expected);
});

test('a file that is not there, a folder, a device', () => {
  const folder = folderWith({ 'a/b': '' });
  const read = (path: string) => refusal(() => readJsonFile(path, 'recipe'));
  expect(read(join(folder, 'x.json'))).toEqual([
    'recipe_missing',
    `${folder}/x.json: expected a recipe, found no such file`,
    'Check the path of the recipe.',
  ]);
  expect(read(join(folder, 'a'))).toEqual([
    'recipe_not_a_file',
    `${folder}/a: expected a recipe, found a folder`,
    'Name the JSON file itself.',
  ]);
  expect(read('/dev/null')).toEqual([
    'recipe_not_a_file',
    '/dev/null: expected a recipe, found no regular file',
    'Name the JSON file itself.',
  ]);
});

test('a byte order mark is no part of the text', () => {
  expect(
    readJsonFile(join(folderWith({ 'a.json': '\ufeff{"a": 1}' }), 'a.json'), 'spec').placeOf(['a']),
  ).toMatchObject({ line: 1, column: 7 });
});

test('a chain of files: each is named as the user wrote it and keeps its own folder', () => {
  const folder = folderWith({
    'jobs/job.json': '{"extends": "../base/small.json", "levels": [1]}',
    'base/small.json': '{"extends": "base.json", "train": {"epochs": 1}}',
    'base/base.json': '{"version": 1, "kind": "sweep", "train": {"epochs": 9, "lr": 0.1}, "levels": [1, 2]}',
  });
  const layers = readLayers(join(folder, 'jobs/job.json'), 'jobs/job.json');
  expect(layers.map((layer) => [layer.name, layer.folder])).toEqual([
    ['base/base.json', join(folder, 'base')],
    ['base/small.json', join(folder, 'base')],
    ['jobs/job.json', join(folder, 'jobs')],
  ]);
  expect(mergeLayers(layers)).toEqual({
    version: 1,
    kind: 'sweep',
    train: { epochs: 1, lr: 0.1 },
    levels: [1],
  });
});

test('a circle, through a link too, is shown', () => {
  const folder = folderWith({
    'a.json': '{"extends": "b.json"}',
    'b.json': '{\n  "extends": "link.json"\n}',
  });
  symlinkSync('a.json', join(folder, 'link.json'));
  expect(refusal(() => readLayers(join(folder, 'a.json'), 'a.json'))).toEqual([
    'spec_extends_itself',
    'b.json:2:14, extends: expected a chain that ends, found a.json -> b.json -> link.json\n    "extends": "link.json"\n               ^^^^^^^^^^^',
    'Take one "extends" out of the circle.',
  ]);
});

test('a chain that is too long', () => {
  const names = Array.from({ length: 12 }, (_, index) => `${index}.json`);
  const folder = folderWith(
    Object.fromEntries(names.map((name, index) => [name, `{"extends": "${names[index + 1]}"}`])),
  );
  expect(refusal(() => readLayers(join(folder, '0.json'), '0.json'))).toEqual([
    'spec_extends_too_deep',
    '9.json:1:13, extends: expected at most 10 files, found 0.json -> 1.json -> 2.json -> 3.json -> 4.json -> 5.json -> 6.json -> 7.json -> 8.json -> 9.json -> 10.json\n    {"extends": "10.json"}\n                ^^^^^^^^^',
    'Put what these files say into fewer.',
  ]);
});

test('a base that is not there, or no path at all', () => {
  const folder = folderWith({
    'missing.json': '{\n "extends": "base.json"}',
    'number.json': '{"extends": ["a", "b"]}',
  });
  expect(refusal(() => readLayers(join(folder, 'missing.json'), 'missing.json'))).toEqual([
    'spec_missing',
    'base.json: expected a spec, found no such file',
    'Check "extends" in missing.json, line 2.',
  ]);
  expect(refusal(() => readLayers(join(folder, 'number.json'), 'number.json'))).toEqual([
    'spec_invalid',
    'number.json:1:13, extends: expected the path of a spec file, found ["a","b"]\n    {"extends": ["a", "b"]}\n                ^^^^^^^^^^',
    'One file can be extended, which may extend another.',
  ]);
});
