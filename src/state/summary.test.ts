import { describe, expect, test } from 'vitest';
import type { RunEvent } from '../spec/event.ts';
import { emptyRun, reduceRun } from './reduce.ts';
import { summarizeEnded, summarizeView } from './summary.ts';

const stamp = { v: 1, ts: '1970-01-01T00:00:10.000Z', run: 'r', run_seq: 1 } as const;
const STARTED: RunEvent = {
  ...stamp,
  type: 'run_started',
  kind: 'sweep',
  name: 'small',
  resumed: false,
  host: 'h',
  pid: 1,
};
const ENDED: Extract<RunEvent, { type: 'run_ended' }> = {
  ...stamp,
  type: 'run_ended',
  outcome: 'failed',
  succeeded: 3,
  up_to_date: 2,
  failed: 1,
  cancelled: 4,
  bounds_missed: 1,
  best: 'resnet18 level 4: 1.31x',
  foreign_lines: 0,
  seconds: 12.5,
};

test('a run that is over, from its first and last event', () => {
  expect(summarizeEnded('r', STARTED, ENDED)).toEqual({
    id: 'r',
    kind: 'sweep',
    name: 'small',
    state: 'failed',
    started_at_ms: 10_000,
    seconds: 12.5,
    tasks: { done: 5, failed: 1, total: 10 },
    bounds_missed: 1,
    best: 'resnet18 level 4: 1.31x',
  });
});

describe('a run that has not ended', () => {
  const planned = (task: string): RunEvent => ({
    ...stamp,
    type: 'task_planned',
    task,
    kind: 'train',
    label: task,
    because: '',
    needs: [],
  });
  const succeeded: RunEvent = { ...stamp, type: 'task_succeeded', task: 'a', seconds: 1 };
  const view = [STARTED, planned('a'), planned('b'), succeeded].reduce(reduceRun, emptyRun('r'));
  const common = {
    id: 'r',
    kind: 'sweep',
    name: 'small',
    started_at_ms: 10_000,
    bounds_missed: 0,
    best: null,
  };

  test('runs while somebody runs it', () => {
    expect(summarizeView(view, { id: 'r', alive: true, lastAtMs: 11_000, now: 15_000 })).toEqual({
      ...common,
      state: 'running',
      seconds: 5,
      tasks: { done: 1, failed: 0, total: 2 },
    });
  });

  test('is interrupted when nobody does, and took until it last recorded something', () => {
    expect(summarizeView(view, { id: 'r', alive: false, lastAtMs: 11_000, now: 15_000 })).toMatchObject({
      state: 'interrupted',
      seconds: 1,
    });
  });

  test('may have recorded nothing at all', () => {
    expect(summarizeView(emptyRun('r'), { id: 'r', alive: false, lastAtMs: null, now: 1 })).toEqual({
      id: 'r',
      kind: '',
      name: '',
      state: 'interrupted',
      started_at_ms: null,
      seconds: null,
      tasks: { done: 0, failed: 0, total: 0 },
      bounds_missed: 0,
      best: null,
    });
  });
});
