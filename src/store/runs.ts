/** The runs of a workspace: which there are, which one a person means, where each stands. */
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../errors/errors.ts';
import type { RunEvent } from '../spec/event.ts';
import { nearest } from '../spec/nearest.ts';
import { writeFailure } from './disk-error.ts';
import { readEnds } from './event-log.ts';
import { type LockOwner, lockOwner } from './lock.ts';
import { runPaths, workspacePaths } from './paths.ts';

const RUN_ID = /^\d{8}T\d{6}Z-/;
const SHOWN = 10;

/** Newest first. */
export function runIds(workspace: string): string[] {
  const { runs } = workspacePaths(workspace);
  if (!existsSync(runs)) return [];
  // Beside them may lie what is no run, such as a run that was packed up.
  return readdirSync(runs, { withFileTypes: true })
    .filter((entry) => RUN_ID.test(entry.name) && !entry.isFile())
    .map(({ name }) => name)
    .sort()
    .reverse();
}

/** The run that is meant: `latest`, an id, any beginning of one that no other has, or a job's name with one run. */
export function findRun(workspace: string, name: string): string {
  const ids = runIds(workspace);
  const [latest] = ids;
  if (latest === undefined) {
    throw new UserError('run_unknown', `there are no runs in ${workspacePaths(workspace).runs}`, [
      'Start one: capstone sweep',
    ]);
  }
  if (name === 'latest') return latest;
  if (ids.includes(name)) return name;
  const meant = name === '' ? [] : ids.filter((id) => id.startsWith(name) || jobName(id) === name);
  const [only, second] = meant;
  if (only !== undefined && second === undefined) return only;
  if (only === undefined) {
    const guess = nearest(name, [...ids, ...ids.map(jobName)]);
    throw new UserError('run_unknown', `no run is called "${name}"`, [
      guess === undefined ? 'See them all: capstone runs list' : `Did you mean "${guess}"?`,
    ]);
  }
  const listed = meant.slice(0, SHOWN).map((id) => `\n  ${id}`);
  const more = meant.length > SHOWN ? `\n  and ${meant.length - SHOWN} more` : '';
  throw new UserError(
    'run_ambiguous',
    `"${name}" may be any of ${meant.length} runs:${listed.join('')}${more}`,
    ['Give more of the id.'],
  );
}

/** `20261124T034500Z-quickstart-3f2a`: quickstart. */
function jobName(id: string): string {
  return id.replace(RUN_ID, '').replace(/-[0-9a-f]+$/, '');
}

export interface RunEnds {
  readonly first: RunEvent | undefined;
  readonly last: RunEvent | undefined;
  /** Who holds the run's lock. */
  readonly owner: LockOwner | undefined;
}

/** The first and the last event of a run and its owner: what a list says of a run that is over needs no more. */
export function readRunEnds(workspace: string, id: string): RunEnds {
  const { events, lock } = runPaths(workspace, id);
  // The owner first: a run that ends in between is then seen with its last event.
  const owner = lockOwner(lock);
  return { ...readEnds(events), owner };
}

/** Out of the list at once, then gone: a removal that is interrupted leaves no half of a run. */
export function removeRun(workspace: string, id: string): void {
  const { folder } = runPaths(workspace, id);
  const aside = join(workspacePaths(workspace).runs, `.removed-${id}`);
  try {
    renameSync(folder, aside);
    rmSync(aside, { recursive: true, force: true });
  } catch (error) {
    throw writeFailure(folder, error);
  }
}
