import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { refusal } from '../../test/fixtures/refusal.ts';
import { temporaryFolder } from '../../test/rig.ts';
import { Row } from '../spec/row.ts';
import { readResults } from './results.ts';

const ROW = {
  ...{ model: 'a', dataset: 'b', recipe: 'c', level: 1, seed: 0, image_size: 32, device: 'cpu', cpu: 'd' },
  ...{ runtime: 'torch', threads: 2, batch_size: 1, eval_samples: 500, speedup: 2 },
};

function results(text: string): string {
  const path = join(temporaryFolder(), 'results.json');
  writeFileSync(path, text);
  return path;
}

test('rows of an older version lack columns that are unknown now', () => {
  expect(readResults(results(JSON.stringify([ROW])))).toEqual([Row.parse(ROW)]);
  expect(Row.parse(ROW)).toMatchObject({ speedup: 2, noise: null });
});

test('a run that has not ended has none', () => {
  expect(readResults('/nowhere/results.json')).toBeUndefined();
});

test.each(['', '[{', '{}', '[{"model":1}]'])('a file of something else is refused: %s', (text) => {
  const path = results(text);
  expect(refusal(() => readResults(path))).toEqual([
    'results_invalid',
    `${path} does not hold rows as this program writes them`,
    'Move it aside: the rows stand in benchmark_levels.csv, and capstone results --where shows them.',
  ]);
});
