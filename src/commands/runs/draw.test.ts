/** What a person sees of runs, whole. */
import { describe, expect, test } from 'vitest';
import { UserError } from '../../errors/errors.ts';
import type { RunEvent } from '../../spec/event.ts';
import { emptyRun, reduceRun } from '../../state/reduce.ts';
import { findTask } from './arguments.ts';
import { drawRuns } from './list.ts';
import { drawRun } from './show.ts';

const ID = '20261124T034500Z-small-3f2a';

test('the list of runs', () => {
  const run = {
    id: ID,
    kind: 'sweep',
    name: 'small',
    state: 'done',
    started_at_ms: Date.parse('2026-11-24T03:45:00Z'),
    seconds: 72,
    tasks: { done: 5, failed: 0, total: 5 },
    bounds_missed: 1,
    best: 'resnet18 level 4: 1.31x, acc 91.60 %',
  } as const;
  const empty = { ...run, id: '20261124T034400Z-x-0000', kind: '', name: '', state: 'interrupted' } as const;
  const runs = [
    run,
    {
      ...empty,
      started_at_ms: null,
      seconds: null,
      tasks: { done: 0, failed: 0, total: 0 },
      bounds_missed: 0,
      best: null,
    },
  ];
  expect(`\n${drawRuns(runs)}`).toMatchInlineSnapshot(`
    "
    run                          kind   name   state        started               took   tasks  best
    20261124T034500Z-small-3f2a  sweep  small  done         2026-11-24 03:45  1 m 12 s  5 of 5  1 bound missed; resnet18 level 4: 1.31x, acc 91.60 %
    20261124T034400Z-x-0000                    interrupted                              0 of 0
    "
  `);
  expect(drawRuns([])).toBe('No runs yet. Start one: capstone sweep\n');
});

const at = (second: number) =>
  ({ v: 1, ts: new Date(1000 * second).toISOString(), run: ID, run_seq: 1 }) as const;
const EVENTS: RunEvent[] = [
  { ...at(0), type: 'run_started', kind: 'sweep', name: 'small', resumed: false, host: 'h', pid: 1 },
  {
    ...at(0),
    type: 'task_up_to_date',
    task: 'train-a',
    kind: 'train',
    label: 'train a',
    because: 'a.pth is there',
  },
  {
    ...at(0),
    type: 'task_planned',
    task: 'compress-a-l1',
    kind: 'compress',
    label: 'compress a, level 1',
    because: 'a_l1.pt is not there yet',
    needs: [],
  },
  {
    ...at(0),
    type: 'task_planned',
    task: 'compress-a-l2',
    kind: 'compress',
    label: 'compress a, level 2',
    because: 'a_l2.pt is not there yet',
    needs: [],
  },
  { ...at(1), seq: 1, type: 'started', task: 'compress-a-l1', pid: 7, pgid: 7 },
  {
    ...at(2),
    seq: 2,
    type: 'artifact',
    task: 'compress-a-l1',
    path: '/w/a_l1.pt',
    bytes: 44_780_123,
    sha256: 'f'.repeat(64),
  },
  { ...at(2), type: 'task_succeeded', task: 'compress-a-l1', seconds: 1.25 },
  { ...at(3), seq: 3, type: 'started', task: 'compress-a-l2', pid: 8, pgid: 8 },
  {
    ...at(5),
    type: 'task_failed',
    task: 'compress-a-l2',
    code: 'task_killed',
    message: 'the task was ended by SIGTERM',
    hint: 'Run again: what was done is kept.',
    exit_code: null,
    signal: 'SIGTERM',
    missing: ['result', 'done'],
    log_tail: 'one\n\u001b[31mtwo\u001b[0m\n',
  },
  { ...at(5), type: 'bound_missed', bound: 'acc_drop<=0.5', row: 'a · level 1', found: 'acc_drop is 0.72' },
];
const view = EVENTS.reduce(reduceRun, emptyRun(ID));

test('a run with its tasks, reasons, files and failures', () => {
  expect(`\n${drawRun(view, 'interrupted', { folder: 'runs/x', cwd: '/w' })}`).toMatchInlineSnapshot(`
    "
    20261124T034500Z-small-3f2a
    sweep small: interrupted, started 1970-01-01T00:00:00.000Z
    tasks: 1 up to date, 1 succeeded, 1 failed
    folder: runs/x
    bound missed: acc_drop<=0.5: a · level 1: acc_drop is 0.72

    train a: up to date
      train-a
      a.pth is there
    compress a, level 1: succeeded in 1.3 s, 44.8 MB
      compress-a-l1
      a_l1.pt is not there yet
      wrote a_l1.pt, 44.8 MB
    compress a, level 2: failed in 2.0 s
      compress-a-l2
      a_l2.pt is not there yet
      failed: the task was ended by SIGTERM
      Run again: what was done is kept.
      the end of runs/x/logs/compress-a-l2.log:
        one
        two
    "
  `);
});

describe('a task is named by', () => {
  test('its id, or a part of one', () => {
    expect(['train-a', 'train', 'l2'].map((name) => findTask(view, name).id)).toEqual([
      'train-a',
      'train-a',
      'compress-a-l2',
    ]);
  });

  test.each([
    [
      'compress',
      ['"compress" may be any of 2 tasks:\n  compress-a-l1\n  compress-a-l2', 'Give more of the id.'],
    ],
    ['trian-a', [`run ${ID} has no task "trian-a"`, 'Did you mean "train-a"?']],
    ['zzz', [`run ${ID} has no task "zzz"`, `See them all: capstone runs show ${ID}`]],
  ])('not by %s', (name, said) => {
    try {
      findTask(view, name);
      expect.unreachable();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      expect([error.message, ...error.next]).toEqual(said);
    }
  });
});
