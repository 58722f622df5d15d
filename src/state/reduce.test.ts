import { describe, expect, test } from 'vitest';
import { denseRow, row } from '../../test/fixtures/row.ts';
import type { OrchestratorEvent, RunEvent, WorkerEvent } from '../spec/event.ts';
import { emptyRun, reduceRun } from './reduce.ts';
import { countTasks, describeMetric, headline, overallProgress, phaseFraction, taskOf } from './select.ts';
import type { RunView, TaskView } from './view.ts';

type Bare<E> = E extends unknown ? Omit<E, 'v' | 'ts' | 'seq'> : never;
type BareEvent = Bare<WorkerEvent | OrchestratorEvent>;

/** Events a second apart. */
function stamped(events: readonly BareEvent[]): RunEvent[] {
  return events.map((event, index) => {
    const ts = new Date(1_000_000 + 1000 * index).toISOString();
    return { v: 1, ts, seq: index + 1, run: 'r1', run_seq: index + 1, ...event } as RunEvent;
  });
}

function reduce(events: readonly BareEvent[], from = emptyRun('r1')): RunView {
  return stamped(events).reduce(reduceRun, from);
}

function the(run: RunView, id: string): TaskView {
  const task = taskOf(run, id);
  if (task === undefined) throw new Error(`no task ${id}`);
  return task;
}

const started = {
  type: 'run_started',
  kind: 'sweep',
  name: 'small',
  resumed: false,
  host: 'h',
  pid: 1,
} as const;
const planned = (task: string, needs: string[] = []) =>
  ({
    type: 'task_planned',
    task,
    kind: 'train',
    label: `train ${task}`,
    because: 'it is not there yet',
    needs,
  }) as const;
const progress = (task: string, done: number) =>
  ({ type: 'progress', task, phase: 'train', done, total: 100, unit: 'images', rate: 10, eta_s: 9 }) as const;
const metric = (task: string, split: 'train' | 'test', epoch: number) =>
  ({ type: 'metric', task, split, epoch, values: { loss: 0.3125, acc: 91.731 } }) as const;
const failed: BareEvent = {
  type: 'task_failed',
  task: 'a',
  code: 'task_killed',
  message: 'killed by SIGKILL',
  hint: '',
  exit_code: null,
  signal: 'SIGKILL',
  missing: ['done'],
  log_tail: '',
};

describe('a task', () => {
  test('from planned to succeeded', () => {
    let run = reduce([started, planned('a'), planned('b', ['a'])]);
    expect(run.tasks.map(({ id, state, needs }) => ({ id, state, needs }))).toEqual([
      { id: 'a', state: 'planned', needs: [] },
      { id: 'b', state: 'planned', needs: ['a'] },
    ]);
    run = reduce([{ type: 'task_queued', task: 'a' }], run);
    expect(the(run, 'a').state).toBe('queued');
    run = reduce(
      [
        { type: 'started', task: 'a', pid: 7, pgid: 7 },
        { type: 'phase', task: 'a', phase: 'train' },
        progress('a', 40),
        metric('a', 'train', 1),
        metric('a', 'test', 1),
        { type: 'log', task: 'a', level: 'warning', message: 'slow' },
        { type: 'artifact', task: 'a', path: '/w/a.pth', bytes: 44_780_123, sha256: 'f'.repeat(64) },
      ],
      run,
    );
    expect(the(run, 'a')).toMatchObject({
      state: 'running',
      pgid: 7,
      startedAtMs: 1_000_000,
      phase: 'train',
      progress: { done: 40, total: 100 },
      metric: { split: 'test', epoch: 1 },
      testMetrics: [{ epoch: 1 }],
      log: { level: 'warning', message: 'slow' },
      files: [{ path: '/w/a.pth' }],
    });
    expect(phaseFraction(the(run, 'a'))).toBe(0.4);
    expect(headline(the(run, 'a'))).toBe('epoch 1: test acc 91.73 %, loss 0.313');
    run = reduce(
      [
        { type: 'done', task: 'a' },
        { type: 'ended', task: 'a', exit_code: 0, signal: null },
        { type: 'task_succeeded', task: 'a', seconds: 12.5 },
      ],
      run,
    );
    expect(the(run, 'a')).toMatchObject({
      state: 'succeeded',
      seconds: 12.5,
      pgid: null,
      phase: null,
      progress: null,
    });
    expect(overallProgress(run)).toEqual({ settled: 1, total: 2 });
  });

  test('that failed keeps the verdict and the traceback; a retry begins anew', () => {
    const error = {
      type: 'error',
      task: 'a',
      code: 'internal',
      message: 'm',
      hint: 'h',
      traceback: 'Traceback',
    } as const;
    const run = reduce([
      started,
      planned('a'),
      { type: 'started', task: 'a', pid: 7, pgid: 7 },
      error,
      failed,
    ]);
    expect(the(run, 'a')).toMatchObject({
      state: 'failed',
      seconds: 2,
      pgid: null,
      traceback: 'Traceback',
      failure: { signal: 'SIGKILL', missing: ['done'] },
    });
    const again = reduce([{ type: 'task_retried', task: 'a', because: 'it was asked for again' }], run);
    expect(the(again, 'a')).toEqual({
      ...the(reduce([started, planned('a')]), 'a'),
      because: 'it was asked for again',
    });
  });

  test('cancelled before it began took no time', () => {
    const run = reduce([started, planned('a'), { type: 'task_cancelled', task: 'a', because: 'b failed' }]);
    expect(the(run, 'a')).toMatchObject({ state: 'cancelled', seconds: null, because: 'b failed' });
  });

  test('keeps the last 512 test metrics', () => {
    const epochs = Array.from({ length: 600 }, (_, epoch) => metric('a', 'test', epoch + 1));
    const kept = the(reduce([started, planned('a'), ...epochs]), 'a').testMetrics;
    expect([kept.length, kept[0]?.epoch, kept.at(-1)?.epoch]).toEqual([512, 89, 600]);
  });

  test('that nobody planned changes nothing', () => {
    const run = reduce([started]);
    expect(reduce([progress('x', 1)], run)).toBe(run);
  });
});

describe('a run', () => {
  const host: BareEvent[] = [
    {
      type: 'hello',
      protocol: 1,
      python: '3.10',
      torch: '2.2.2',
      torchvision: '0.17.2',
      numpy: '1.26',
      pid: 3,
    },
    { type: 'capability', task: 'a', cpu: 'AMD EPYC', isa: ['avx2'], gpus: [] },
    { type: 'log', level: 'error', message: 'the host speaks' },
  ];
  const ended = {
    type: 'run_ended',
    outcome: 'failed',
    succeeded: 0,
    up_to_date: 1,
    failed: 1,
    cancelled: 0,
    bounds_missed: 0,
    best: null,
    foreign_lines: 2,
    seconds: 5,
  } as const;

  test('knows its host, its counts and how it ended', () => {
    const upToDate = {
      type: 'task_up_to_date',
      task: 'b',
      kind: 'train',
      label: 'train b',
      because: 'b.pth is there',
    } as const;
    const run = reduce([started, planned('a'), upToDate, ...host, failed, ended]);
    expect(run).toMatchObject({
      id: 'r1',
      kind: 'sweep',
      name: 'small',
      status: 'failed',
      startedAtMs: 1_000_000,
      endedAtMs: 1_007_000,
      versions: { torch: '2.2.2' },
      capability: { cpu: 'AMD EPYC' },
      log: { level: 'error', message: 'the host speaks' },
      foreignLines: 2,
    });
    expect(countTasks(run)).toMatchObject({ failed: 1, up_to_date: 1, planned: 0 });
  });

  test('that is resumed plans its tasks anew', () => {
    const run = reduce([started, planned('a'), failed, ended, { ...started, resumed: true }, planned('a')]);
    expect(run.tasks).toHaveLength(1);
    expect(run).toMatchObject({ resumed: true, status: 'running', endedAtMs: null });
  });

  test('leaves the states before it as they were', () => {
    const before = reduce([started, planned('a'), planned('b')]);
    const after = reduce([progress('a', 1)], before);
    expect(the(before, 'a').progress).toBeNull();
    expect(after.tasks[1]).toBe(before.tasks[1]);
  });
});

test('metrics name accuracy first and say what is unknown', () => {
  expect(describeMetric({ split: 'train', epoch: 2, values: { loss: null, lr: 0.012345, acc: 10 } })).toBe(
    'epoch 2: train acc 10.00 %, loss unknown, lr 0.0123',
  );
});

test('rows name what they are about: a speed-up, of a dense network its latency', () => {
  const found = (...rows: object[]) =>
    headline(the(reduce([started, planned('a'), { type: 'result', task: 'a', values: { rows } }]), 'a'));
  expect(found(row(), row({ batch_size: 64, speedup: 1.31, verdict: 'faster' }))).toBe(
    'batch 1: 1.00x, no difference; batch 64: 1.31x, faster; acc 92.00 %',
  );
  expect(found(denseRow())).toBe('batch 1: 2.30 ms; acc 92.00 %');
});
