import { appendFileSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../../test/rig.ts';
import type { RunEvent } from '../../spec/event.ts';
import { openEventLog } from '../../store/event-log.ts';
import { acquireLock } from '../../store/lock.ts';
import { runPaths } from '../../store/paths.ts';
import { readSummary } from '../runs/read-summary.ts';
import { RunList } from './run-list.ts';

const NOW = Date.parse('2026-11-24T12:05:00Z');
const OLD = '20261124T110000Z-old-0001';
const NEW = '20261124T120000Z-new-0002';

function append(workspace: string, id: string, ...events: object[]): void {
  const log = openEventLog(runPaths(workspace, id).events);
  for (const [index, event] of events.entries()) {
    const stamp = { v: 1, ts: '2026-11-24T12:00:00Z', run: id, run_seq: log.lastRunSeq + index + 1 };
    log.append({ ...stamp, ...event } as RunEvent);
  }
  log.close();
}
const started = { type: 'run_started', kind: 'sweep', name: 'small', resumed: false, host: 'h', pid: 1 };
const planned = { type: 'task_planned', task: 'a', kind: 'train', label: 'train', because: 'b', needs: [] };
const succeeded = { type: 'task_succeeded', task: 'a', seconds: 1 };
const ended = {
  type: 'run_ended',
  outcome: 'done',
  succeeded: 1,
  up_to_date: 0,
  failed: 0,
  cancelled: 0,
  foreign_lines: 0,
  seconds: 60,
};

test('it says what `capstone runs` says, however often it looks and whatever has been written meanwhile', async () => {
  const workspace = temporaryFolder();
  const list = new RunList(workspace);
  const same = () => {
    const { runs: read } = list.read(NOW);
    expect(read).toEqual(read.map(({ id }) => readSummary(workspace, id, NOW)));
    return read.map(({ id, state, tasks }) => [id, state, tasks.done]);
  };
  expect(same()).toEqual([]);
  append(workspace, OLD, started, planned, succeeded, ended);
  append(workspace, NEW, started);
  const lock = await acquireLock(runPaths(workspace, NEW).lock, { timeoutMs: 0 });
  expect(same()).toEqual([
    [NEW, 'running', 0],
    [OLD, 'done', 1],
  ]);
  append(workspace, NEW, planned, succeeded);
  appendFileSync(runPaths(workspace, NEW).events, '{"torn');
  expect(same()[0]).toEqual([NEW, 'running', 1]);
  await lock.release();
  expect(same()[0]).toEqual([NEW, 'interrupted', 1]);
  append(workspace, NEW, { ...started, resumed: true }, planned);
  expect(same()[0]).toEqual([NEW, 'interrupted', 0]);
  append(workspace, NEW, ended);
  expect(same()[0]).toEqual([NEW, 'done', 1]);
});

test('a run that has said nothing yet is left out', () => {
  const workspace = temporaryFolder();
  mkdirSync(dirname(runPaths(workspace, NEW).hostLog), { recursive: true });
  expect(new RunList(workspace).read(NOW)).toEqual({ runs: [], isWhole: true });
});
