import { mkdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../../test/rig.ts';
import type { RunEvent } from '../../spec/event.ts';
import { openEventLog } from '../../store/event-log.ts';
import { acquireLock } from '../../store/lock.ts';
import { runPaths } from '../../store/paths.ts';
import { readState, readSummary } from './read-summary.ts';

const ID = '20261124T034500Z-small-3f2a';
const NOW = Date.parse('2026-11-24T03:47:00Z');
const at = (ts: string) => ({ v: 1, ts, run: ID, run_seq: 1 }) as const;
const STARTED: RunEvent = {
  ...at('2026-11-24T03:45:00Z'),
  type: 'run_started',
  kind: 'sweep',
  name: 'small',
  resumed: false,
  host: 'h',
  pid: 1,
};
const FAILED: RunEvent = {
  ...at('2026-11-24T03:46:00Z'),
  type: 'run_ended',
  outcome: 'failed',
  succeeded: 1,
  up_to_date: 0,
  failed: 1,
  cancelled: 0,
  bounds_missed: 0,
  best: null,
  foreign_lines: 0,
  seconds: 60,
};

function runWith(...events: RunEvent[]): string {
  const workspace = temporaryFolder();
  const paths = runPaths(workspace, ID);
  mkdirSync(dirname(paths.hostLog), { recursive: true });
  const log = openEventLog(paths.events);
  for (const event of events) log.append(event);
  log.close();
  return workspace;
}

test('a run whose lock has a dead owner is interrupted, as is one that nobody holds', () => {
  const workspace = runWith(STARTED);
  expect(readSummary(workspace, ID, NOW)).toMatchObject({ state: 'interrupted', seconds: 0 });
  const dead = { pid: process.pid, start_time: 'long ago', boot_id: 'another', host: hostname(), nonce: 'n' };
  writeFileSync(runPaths(workspace, ID).lock, JSON.stringify(dead));
  expect(readSummary(workspace, ID, NOW)).toMatchObject({ state: 'interrupted', seconds: 0 });
  expect(readState(workspace, ID).state).toBe('interrupted');
});

test('a run that a process holds is running, also one that goes on after it had failed', async () => {
  const workspace = runWith(STARTED, FAILED, { ...STARTED, ts: '2026-11-24T03:46:30Z', resumed: true });
  const lock = await acquireLock(runPaths(workspace, ID).lock, { timeoutMs: 0 });
  expect(readSummary(workspace, ID, NOW)).toMatchObject({ state: 'running', seconds: 30 });
  expect(readState(workspace, ID).state).toBe('running');
  await lock.release();
});

test('a run that has ended is what its last event says', () => {
  const workspace = runWith(STARTED, FAILED);
  expect(readSummary(workspace, ID, NOW)).toMatchObject({
    state: 'failed',
    seconds: 60,
    tasks: { done: 1, failed: 1, total: 2 },
  });
});
