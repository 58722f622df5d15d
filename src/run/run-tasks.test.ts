import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseCsv } from '../results/csv.ts';
import type { Row } from '../spec/row.ts';
import type { Task } from '../spec/task.ts';
import { runPaths, workspacePaths } from '../store/paths.ts';
import type { Ended } from '../worker/host.ts';
import type { Executor } from './executor.ts';
import { runTasks } from './run-tasks.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'capstone-run-tasks-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const LINES = readFileSync(join(import.meta.dirname, '..', '..', 'benchmark_levels.csv'), 'utf8');
const ROWS = parseCsv(LINES).rows;
const TASKS = ['one', 'two', 'three'].map((id) => ({ id, kind: 'benchmark' }) as Task);

/** What comes of three benchmarks that say these rows. */
async function endings(rows: readonly (readonly unknown[])[], executor: Partial<Executor> = {}) {
  const run = async (tasks: readonly Task[]): Promise<readonly Ended[]> =>
    tasks.map((task, index) => ({ task, outcome: { status: 'succeeded', values: { rows: rows[index] } } }));
  const kept: Row[] = [];
  const ended = await runTasks(
    TASKS,
    { run, cancel: () => {}, kill: () => {}, close: async () => {}, ...executor },
    { id: 'a-run', paths: runPaths(folder, 'a-run') },
    workspacePaths(folder),
    (found) => kept.push(...found),
  );
  return { kept, ended: ended.map(({ task, outcome }) => [task.id, outcome.status]) };
}

const written = () => parseCsv(readFileSync(workspacePaths(folder).rows, 'utf8')).rows;

test('rows of all are kept', async () => {
  const three = ROWS.slice(0, 3);
  const { kept, ended } = await endings(three.map((row) => [row]));
  expect(ended).toEqual(TASKS.map(({ id }) => [id, 'succeeded']));
  expect(kept).toHaveLength(3);
  expect(written()).toHaveLength(3);
});

test('what is no row fails its own task, and the rows of the others are kept', async () => {
  const { ended } = await endings([[ROWS[0]], [{ level: 'x' }], [ROWS[2]]]);
  expect(ended).toEqual([
    ['one', 'succeeded'],
    ['two', 'failed'],
    ['three', 'succeeded'],
  ]);
  expect(written()).toHaveLength(2);
});

test('a table that cannot be written fails them, and says so', async () => {
  mkdirSync(workspacePaths(folder).rows);
  const { kept, ended } = await endings(ROWS.slice(0, 3).map((row) => [row]));
  expect(ended).toEqual(TASKS.map(({ id }) => [id, 'failed']));
  expect(kept).toEqual([]);
});

test('where there is no worker all fail', async () => {
  const { ended } = await endings([], { run: () => Promise.reject(new Error('no host')) });
  expect(ended).toEqual(TASKS.map(({ id }) => [id, 'failed']));
});
