import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { readRecipes } from '../run/read-recipe.ts';
import { JOB_SCHEMAS } from '../spec/job.ts';
import { readJobFile } from './job-file.ts';

const root = resolve(import.meta.dirname, '..', '..');
const folder = join(root, 'examples');
const examples = readdirSync(folder).filter((name) => name.endsWith('.json'));

test.each(examples)('examples/%s is a valid job, named for editors by its schema', (name) => {
  const file = join(folder, name);
  const { $schema } = JSON.parse(readFileSync(file, 'utf8')) as { $schema: string };
  expect(resolve(folder, $schema)).toBe(join(root, 'schema', 'job.schema.json'));
  readRecipes(readJobFile(file), root);
});

test.each(['level1.json', 'levels3and5.json'])(
  'benchmarks/trained/%s is a valid job, its networks are there',
  (name) => {
    const trained = join(root, 'benchmarks', 'trained');
    const job = readJobFile(join(trained, name));
    readRecipes(job, root);
    const checkpoints = job.models.map((model) => (typeof model === 'string' ? undefined : model.checkpoint));
    const there = readdirSync(trained).map((name) => join(trained, name));
    expect(there).toEqual(expect.arrayContaining(checkpoints));
  },
);

test('there is one of each kind', () => {
  const kinds = examples.map((name) => readJobFile(join(folder, name)).kind);
  expect([...new Set(kinds)].sort()).toEqual(Object.keys(JOB_SCHEMAS).sort());
});
