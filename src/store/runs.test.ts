import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { refusal } from '../../test/fixtures/refusal.ts';
import { temporaryFolder } from '../../test/rig.ts';
import { acquireLock } from './lock.ts';
import { runPaths } from './paths.ts';
import { findRun, readRunEnds, removeRun, runIds } from './runs.ts';

const OLD = '20261124T034500Z-quickstart-3f2a';
const TWIN = '20261124T034500Z-quickstart-4b00';
const NEW = '20261125T010203Z-cifar10-classic-00ff';

function workspaceWith(...ids: string[]): string {
  const workspace = temporaryFolder();
  for (const id of ids) mkdirSync(dirname(runPaths(workspace, id).hostLog), { recursive: true });
  return workspace;
}

test('runs are listed newest first, and nothing else that lies there', () => {
  const workspace = workspaceWith(OLD, NEW, TWIN);
  mkdirSync(join(workspace, 'runs', '.removed-x'));
  for (const name of ['notes.txt', `${OLD}.tar.gz`]) writeFileSync(join(workspace, 'runs', name), '');
  expect(runIds(workspace)).toEqual([NEW, TWIN, OLD]);
  expect(runIds(temporaryFolder())).toEqual([]);
});

test('a run is named by its id, its beginning, a job that ran once, or latest', () => {
  const workspace = workspaceWith(OLD, NEW, TWIN);
  expect(['latest', OLD, '20261125', 'cifar10-classic'].map((name) => findRun(workspace, name))).toEqual([
    NEW,
    OLD,
    NEW,
    NEW,
  ]);
  expect(refusal(() => findRun(workspace, 'quickstart'))).toEqual([
    'run_ambiguous',
    `"quickstart" may be any of 2 runs:\n  ${TWIN}\n  ${OLD}`,
    'Give more of the id.',
  ]);
  expect(refusal(() => findRun(workspace, 'quickstrat'))).toEqual([
    'run_unknown',
    'no run is called "quickstrat"',
    'Did you mean "quickstart"?',
  ]);
  expect(refusal(() => findRun(workspace, ''))).toEqual([
    'run_unknown',
    'no run is called ""',
    'See them all: capstone runs list',
  ]);
  const empty = temporaryFolder();
  expect(refusal(() => findRun(empty, 'latest'))).toEqual([
    'run_unknown',
    `there are no runs in ${join(empty, 'runs')}`,
    'Start one: capstone sweep',
  ]);
});

test('the ends of a run say who holds it', async () => {
  const workspace = workspaceWith(OLD);
  expect(readRunEnds(workspace, OLD)).toEqual({ first: undefined, last: undefined, owner: undefined });
  const lock = await acquireLock(runPaths(workspace, OLD).lock, { timeoutMs: 0 });
  expect(readRunEnds(workspace, OLD).owner).toMatchObject({ pid: process.pid, alive: true });
  await lock.release();
});

test('a removed run leaves nothing', () => {
  const workspace = workspaceWith(OLD, NEW);
  removeRun(workspace, OLD);
  expect(readdirSync(join(workspace, 'runs'))).toEqual([NEW]);
  expect(existsSync(runPaths(workspace, OLD).folder)).toBe(false);
});
