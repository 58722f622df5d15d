/** What a file, `--set` and flags become: one checked job whose paths are absolute. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { refusal } from '../../test/fixtures/refusal.ts';
import { temporaryFolder } from '../../test/rig.ts';
import { ARCHITECTURES } from '../spec/names.ts';
import { checkFlags, readJobFile, readRunJob } from './job-file.ts';
import { jobFromFlags } from './job-flags.ts';
import { setLayers } from './set-flag.ts';

const folder = temporaryFolder();
mkdirSync(join(folder, 'base'));
writeFileSync(
  join(folder, 'base', 'base.json'),
  JSON.stringify({
    version: 1,
    kind: 'sweep',
    data_root: 'images',
    recipes: ['mine/gentle.json', 'classic'],
    models: [
      { name: 'resnet18', checkpoint: 'a.pth' },
      { name: 'mine', code: 'nets/net.py:small' },
    ],
    datasets: [{ name: 'pets', path: 'pets' }],
  }),
);
writeFileSync(join(folder, 'job.json'), '{"extends": "base/base.json", "train": {"epochs": 2}}');
const spec = join(folder, 'job.json');
const set = (...texts: string[]) => setLayers({ '--set': texts }, '/typed/here');

test('paths start at the file that contains them, those of --set where they were typed', () => {
  const changes = set('datasets=[{"name": "cats", "path": "cats"}]', 'train.lr=0.5', 'name=5-cats');
  const job = readJobFile(spec, 'job.json', changes);
  expect(job).toMatchObject({
    kind: 'sweep',
    name: '5-cats',
    models: [
      { name: 'resnet18', checkpoint: join(folder, 'base', 'a.pth') },
      { name: 'mine', code: `${join(folder, 'base', 'nets', 'net.py')}:small` },
    ],
    datasets: [{ name: 'cats', path: '/typed/here/cats' }],
    recipes: [join(folder, 'base', 'mine', 'gentle.json'), 'classic'],
    data_root: join(folder, 'base', 'images'),
    train: { epochs: 2, lr: 0.5 },
  });
  expect(Object.keys(job)).not.toContain('extends');
});

test('a data root that nobody wrote stays the workspace’s, in a run’s own job too', () => {
  const run = join(folder, 'run.json');
  writeFileSync(run, '{"version": 1, "kind": "train"}');
  const job = readJobFile(run);
  expect(job.data_root).toBe('data');
  writeFileSync(run, JSON.stringify(job));
  expect(readRunJob(run, '/workspace').data_root).toBe('/workspace/data');
});

test.each([
  ['train.epochs=many', '--set train.epochs: expected a number, found "many"'],
  ['train.epoch=3', '--set train.epoch: expected a known key, found "epoch". Did you mean "epochs"?'],
  ['trian.epochs=3', '--set trian.epochs: expected a known key, found "trian". Did you mean "train"?'],
  ['levels=[1,7]', '--set levels: expected a level from 1 to 5, found 7'],
  ['version=2', '--set version: expected 1, found 2, which a newer capstone reads'],
])('--set %s', (text, message) => {
  expect(refusal(() => readJobFile(spec, 'job.json', set(text)))?.[1]).toBe(message);
});

test.each([
  [
    'train.epochs',
    ['set_invalid', '--set: expected KEY=VALUE, found "train.epochs"', 'Try: --set train.epochs=3'],
  ],
  ['=3', ['set_invalid', '--set: expected KEY=VALUE, found "=3"', 'Try: --set train.epochs=3']],
  ['a..b=3', ['set_invalid', '--set: expected KEY=VALUE, found "a..b=3"', 'Try: --set train.epochs=3']],
  [
    'extends=x.json',
    [
      'set_invalid',
      '--set extends: expected a key of the job, found "extends"',
      'Write it into the spec file.',
    ],
  ],
])('--set %s is no setting', (text, expected) => {
  expect(refusal(() => set(text))).toEqual(expected);
});

test('the last --set of a key counts', () => {
  expect(readJobFile(spec, spec, set('train.lr=1', 'train.lr=2'))).toMatchObject({ train: { lr: 2 } });
});

test('flags are called by their names', () => {
  const flags = { '--epochs': '0', '--levels': ['1,6'], '--threads': '0', '--model': ['resnet81'] };
  expect(refusal(() => checkFlags(jobFromFlags('sweep', flags), '/w'))).toEqual([
    'spec_invalid',
    [
      '4 problems',
      '  --levels: expected a level from 1 to 5, found 6',
      '  --epochs: expected a number, at least 1, found 0',
      '  --threads: expected a number, at least 1, found 0',
      `  --model: expected one of ${Object.keys(ARCHITECTURES).join(', ')}, found "resnet81". Did you mean "resnet18"?`,
    ].join('\n'),
    'Every flag with its meaning: --help',
  ]);
  expect(refusal(() => jobFromFlags('train', { '--epochs': 'many' }))).toEqual([
    'flag_invalid',
    '--epochs: expected a number, found "many"',
    'Every flag with its meaning: --help',
  ]);
});
