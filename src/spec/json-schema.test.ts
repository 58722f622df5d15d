import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { jsonSchemaText, SCHEMA_NAMES } from './json-schema.ts';

const folder = resolve(import.meta.dirname, '..', '..', 'schema');

test.each(SCHEMA_NAMES)('schema/%s.schema.json is what `npm run schema` writes', (name) => {
  expect(readFileSync(join(folder, `${name}.schema.json`), 'utf8')).toBe(jsonSchemaText(name));
});

test('no other schema lies there', () => {
  expect(readdirSync(folder).sort()).toEqual(
    [...SCHEMA_NAMES.map((name) => `${name}.schema.json`), 'keys.golden.json'].sort(),
  );
});
