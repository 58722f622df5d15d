import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { type Keyless, type Software, taskKey } from './key.ts';

interface Golden {
  readonly task: Keyless;
  readonly software: Software;
  readonly key: string;
}

const golden = JSON.parse(
  readFileSync(join(resolve(import.meta.dirname, '..', '..'), 'schema', 'keys.golden.json'), 'utf8'),
) as Golden[];

test('there are golden keys of every kind of task', () => {
  expect(new Set(golden.map(({ task }) => task.kind))).toEqual(new Set(['train', 'compress', 'benchmark']));
});

test.each(golden.map((entry) => [entry.task.id, entry] as const))('%s has its golden key', (_id, entry) => {
  expect(taskKey(entry.task, entry.software)).toBe(entry.key);
});
