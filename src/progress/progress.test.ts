import { stripVTControlCharacters } from 'node:util';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { fitting, truncate } from '../results/fit.ts';
import type { OrchestratorEvent, RunEvent, WorkerEvent } from '../spec/event.ts';
import { emptyRun, reduceRun } from '../state/reduce.ts';
import type { RunView } from '../state/view.ts';
import { drawBlock, settledLines } from './block.ts';
import { plainLines } from './plain.ts';
import { createProgress } from './progress.ts';

type Bare<E> = E extends unknown ? Omit<E, 'v' | 'ts' | 'seq'> : never;
type BareEvent = Bare<WorkerEvent | OrchestratorEvent>;

const BEGIN = Date.parse('2026-11-24T12:00:00.000Z');

function stamped(events: readonly BareEvent[]): RunEvent[] {
  return events.map((event, index) => {
    const ts = new Date(BEGIN + 1000 * index).toISOString();
    return { v: 1, ts, seq: index + 1, run: '20261124-small', run_seq: index + 1, ...event } as RunEvent;
  });
}

function runOf(events: readonly BareEvent[]): RunView {
  return stamped(events).reduce(reduceRun, emptyRun(''));
}

const TRAIN = 'train resnet18 on fashion_mnist_mini';
const started: BareEvent = {
  type: 'run_started',
  kind: 'sweep',
  name: 'small',
  resumed: false,
  host: 'h',
  pid: 1,
};
const hello: BareEvent = {
  type: 'hello',
  protocol: 1,
  python: '3.10.12',
  torch: '2.2.2',
  torchvision: '0.17.2',
  numpy: '1.26.4',
  pid: 2,
};
const planned = (task: string, label = TRAIN): BareEvent => ({
  type: 'task_planned',
  task,
  kind: 'train',
  label,
  because: 'resnet18.pth is not there yet',
  needs: [],
});
const begun = (task: string): BareEvent => ({ type: 'started', task, pid: 3, pgid: 3 });
const progress = (task: string, done = 3700): BareEvent => ({
  type: 'progress',
  task,
  phase: 'train',
  done,
  total: 10_000,
  unit: 'images',
  rate: 1015,
  eta_s: 72,
});
const metric = (task: string, split: 'train' | 'test'): BareEvent => ({
  type: 'metric',
  task,
  split,
  epoch: 3,
  values: { loss: 0.3125, acc: 91.731 },
});
const failed: BareEvent = {
  type: 'task_failed',
  task: 'b',
  code: 'task_failed',
  message: 'it ended by SIGKILL',
  hint: 'Give it more memory.',
  exit_code: null,
  signal: 'SIGKILL',
  missing: ['done'],
  log_tail: 'one\n\u001b[31mtwo\u001b[0m\n',
};
const ended: BareEvent = {
  type: 'run_ended',
  outcome: 'failed',
  succeeded: 1,
  up_to_date: 1,
  failed: 1,
  cancelled: 0,
  bounds_missed: 0,
  best: null,
  foreign_lines: 0,
  seconds: 133,
};
/** A run in which every kind of event happens. */
const WHOLE: BareEvent[] = [
  started,
  planned('a'),
  planned('b', 'compress resnet18 on fashion_mnist_mini, classic level 1'),
  {
    type: 'task_up_to_date',
    task: 'c',
    kind: 'train',
    label: 'train vit_b_16 on cifar10',
    because: 'x.pth is there',
  },
  hello,
  { type: 'task_queued', task: 'a' },
  { type: 'capability', task: 'a', cpu: 'AMD EPYC', isa: ['avx2'], gpus: [] },
  begun('a'),
  { type: 'phase', task: 'a', phase: 'decode' },
  { type: 'phase', task: 'a', phase: 'train' },
  progress('a'),
  metric('a', 'train'),
  { type: 'phase', task: 'a', phase: 'evaluate' },
  metric('a', 'test'),
  { type: 'log', task: 'a', level: 'warning', message: 'slow disk\nreally' },
  { type: 'log', level: 'info', message: 'host\u001b]0;title\u0007 speaks\u0000' },
  { type: 'artifact', task: 'a', path: '/w/a.pth', bytes: 44_780_123, sha256: 'f'.repeat(64) },
  { type: 'result', task: 'a', values: {} },
  { type: 'done', task: 'a' },
  { type: 'ended', task: 'a', exit_code: 0, signal: null },
  { type: 'task_succeeded', task: 'a', seconds: 72.4 },
  begun('b'),
  { type: 'error', task: 'b', code: 'internal', message: 'm', hint: '', traceback: null },
  failed,
  { type: 'task_retried', task: 'b', because: 'it was asked for again' },
  { type: 'task_cancelled', task: 'b', because: 'you asked for it' },
  { type: 'bound_missed', bound: 'acc_drop<=0.5', row: 'resnet18 · level 5', found: 'acc_drop is 0.72' },
  ended,
];

/** A stream that remembers what was written to it. */
function fakeStream(size: { columns?: number; rows?: number } = {}) {
  let written = '';
  const stream = {
    isTTY: true,
    ...size,
    write(text: string) {
      written += text;
      return true;
    },
  } as unknown as NodeJS.WriteStream;
  return { stream, written: () => written };
}

function printedBy(mode: 'block' | 'plain' | 'json', env: NodeJS.ProcessEnv = {}) {
  const [stdout, stderr] = [fakeStream(), fakeStream({ columns: 80, rows: 24 })];
  const shown = createProgress({ mode, stdout: stdout.stream, stderr: stderr.stream, env });
  for (const event of stamped(WHOLE)) shown.event(event);
  shown.close();
  shown.close();
  return { stdout: stdout.written(), stderr: stderr.written() };
}

describe('plain', () => {
  test('one line a step, on stderr, without escape codes', () => {
    const { stdout, stderr } = printedBy('plain');
    expect(stdout).toBe('');
    expect(`\n${stderr}`).toMatchInlineSnapshot(`
      "
      sweep small: started, run 20261124-small
      train vit_b_16 on cifar10: up to date, x.pth is there
      host: ready, Python 3.10.12, torch 2.2.2
      train resnet18 on fashion_mnist_mini: started, resnet18.pth is not there yet
      train resnet18 on fashion_mnist_mini: decode
      train resnet18 on fashion_mnist_mini: train
      train resnet18 on fashion_mnist_mini: epoch 3: train acc 91.73 %, loss 0.313
      train resnet18 on fashion_mnist_mini: epoch 3: test acc 91.73 %, loss 0.313
      train resnet18 on fashion_mnist_mini: warning: slow disk
        really
      host: host speaks
      train resnet18 on fashion_mnist_mini: wrote /w/a.pth, 44.8 MB
      train resnet18 on fashion_mnist_mini: done in 1 m 12 s, epoch 3: test acc 91.73 %, loss 0.313
      compress resnet18 on fashion_mnist_mini, classic level 1: started, resnet18.pth is not there yet
      compress resnet18 on fashion_mnist_mini, classic level 1: failed: it ended by SIGKILL
        Give it more memory.
        one
        two
      compress resnet18 on fashion_mnist_mini, classic level 1: runs again: it was asked for again
      compress resnet18 on fashion_mnist_mini, classic level 1: cancelled: you asked for it
      bound missed: acc_drop<=0.5: resnet18 · level 5: acc_drop is 0.72
      small: failed in 2 m 13 s, tasks: 1 succeeded, 1 up to date, 1 failed
      "
    `);
  });

  test('a fault of ours shows its stack in place of the log', () => {
    const error: BareEvent = {
      type: 'error',
      task: 'b',
      code: 'internal',
      message: 'm',
      hint: '',
      traceback: 'Traceback\n  line',
    };
    const events = [started, planned('b', 'compress'), error, failed];
    const last = stamped(events).at(-1) as RunEvent;
    expect(plainLines(last, runOf(events))).toEqual([
      'compress: failed: it ended by SIGKILL',
      '  Give it more memory.',
      '  Traceback',
      '    line',
    ]);
  });
});

test('json: every event as it came, on stdout', () => {
  const { stdout, stderr } = printedBy('json');
  expect(stderr).toBe('');
  const lines = stdout.split('\n');
  expect(lines.pop()).toBe('');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(stamped(WHOLE));
});

describe('block', () => {
  const now = BEGIN + 133_000;
  const draw = (run: RunView, columns: number, rows = 24, color = false) =>
    drawBlock(run, { columns, rows, color, now });
  const busy = runOf([
    started,
    planned('a'),
    planned('b', 'compress resnet18 on fashion_mnist_mini, classic level 1'),
    planned('c', 'benchmark'),
    begun('a'),
    metric('a', 'test'),
    progress('a'),
    begun('b'),
    { type: 'phase', task: 'b', phase: 'prune_magnitude' },
  ]);

  test('of two running tasks in 120, 80 and 40 columns', () => {
    const blocks = [120, 80, 40].map((columns) => {
      const block = draw(busy, columns);
      expect(block.filter((line) => line.length >= columns)).toEqual([]);
      return block.join('\n');
    });
    expect(`\n${blocks.join('\n\n')}\n`).toMatchInlineSnapshot(`
      "
      train resnet18 on fashion_mnist_mini  epoch 3: test acc 91.73 %, loss 0.313
        ███████████░░░░░░░░░░░░░░░░░░░   37 %  train  1 m 12 s left  1,015 images/s
      compress resnet18 on fashion_mnist_mini, classic level 1
        prune_magnitude  2 m 6 s
      0 of 3 tasks  2 m 13 s  Ctrl-C stops at a safe point

      train resnet18 on fashion_mnist_mini  epoch 3: test acc 91.73 %, loss 0.313
        █████░░░░░░░░░░░   37 %  train  1 m 12 s left  1,015 images/s
      compress resnet18 on fashion_mnist_mini, classic level 1
        prune_magnitude  2 m 6 s
      0 of 3 tasks  2 m 13 s  Ctrl-C stops at a safe point

      train resnet18 on fashion_mnist_mini
        █████░░░░░░░░░░░   37 %  train
      compress resnet18 on fashion_mnist_min…
        prune_magnitude  2 m 6 s
      0 of 3 tasks  2 m 13 s
      "
    `);
  });

  test('is never higher than the terminal less one line, nor as wide', () => {
    const ids = Array.from({ length: 9 }, (_, index) => `t${index}`);
    const run = runOf([
      started,
      ...ids.flatMap((id) => [
        planned(id, `训练 ${'很长'.repeat(id === 't0' ? 80 : 1)}`),
        begun(id),
        progress(id),
      ]),
    ]);
    for (const rows of [0, 1, 2, 3, 4, 8, 12, 20, 24]) {
      expect(draw(run, 80, rows).length).toBeLessThanOrEqual(Math.max(0, rows - 1));
    }
    expect(`\n${draw(run, 60, 6).join('\n')}\n`).toMatchInlineSnapshot(`
      "
      训练 很长很长很长很长很长很长很长很长很长很长很长很长很长…
      训练 很长   37 %  train  1 m 12 s left  1,015 images/s
      训练 很长   37 %  train  1 m 12 s left  1,015 images/s
      and 6 more
      0 of 9 tasks  2 m 13 s  Ctrl-C stops at a safe point
      "
    `);
  });

  test('colours do not change the text, and there are none without', () => {
    const coloured = draw(busy, 80, 24, true).join('\n');
    const plain = draw(busy, 80).join('\n');
    expect(coloured).not.toBe(plain);
    expect(stripVTControlCharacters(coloured)).toBe(plain);
    expect(stripVTControlCharacters(plain)).toBe(plain);
  });

  test('before the first task and after the run', () => {
    expect(draw(runOf([]), 80)).toEqual([]);
    expect(draw(runOf([started, planned('a')]), 80)).toEqual([
      '0 of 1 tasks  2 m 13 s  starting the worker host  Ctrl-C stops at a safe point',
    ]);
    expect(draw(runOf([...WHOLE]), 80)).toEqual([]);
  });

  test('text from a worker cannot move the cursor', () => {
    const run = runOf([
      started,
      planned('a', 'x\u001b[2J\ny'),
      begun('a'),
      { type: 'phase', task: 'a', phase: 'p\r\u009bq' },
    ]);
    expect(draw(run, 80).join('|')).not.toMatch(/[\p{Cc}]/u);
  });

  test('what is settled stays above, marked', () => {
    let run = emptyRun('');
    const lines = stamped(WHOLE).flatMap((event) => {
      run = reduceRun(run, event);
      return settledLines(event, run, false);
    });
    expect(`\n${lines.join('\n')}\n`).toMatchInlineSnapshot(`
      "
      · sweep small: started, run 20261124-small
      = train vit_b_16 on cifar10: up to date, x.pth is there
      ! train resnet18 on fashion_mnist_mini: warning: slow disk
          really
      · host: host speaks
      ✓ train resnet18 on fashion_mnist_mini: done in 1 m 12 s, epoch 3: test acc 91.73 %, loss 0.313
      ✗ compress resnet18 on fashion_mnist_mini, classic level 1: failed: it ended by SIGKILL
          Give it more memory.
          one
          two
      · compress resnet18 on fashion_mnist_mini, classic level 1: runs again: it was asked for again
      - compress resnet18 on fashion_mnist_mini, classic level 1: cancelled: you asked for it
      ! bound missed: acc_drop<=0.5: resnet18 · level 5: acc_drop is 0.72
      · small: failed in 2 m 13 s, tasks: 1 succeeded, 1 up to date, 1 failed
      "
    `);
  });
});

describe('on a terminal', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test('draws at most 10 frames a second and leaves only what is settled', () => {
    vi.useFakeTimers({ now: BEGIN });
    const { stream, written } = fakeStream({ columns: 80, rows: 24 });
    const block = createProgress({ mode: 'block', stdout: stream, stderr: stream, env: { NO_COLOR: '1' } });
    for (const event of stamped([started, planned('a'), begun('a')])) block.event(event);
    for (let done = 0; done < 1000; done += 1) {
      for (const event of stamped([progress('a', 10 * done)])) block.event(event);
      vi.advanceTimersByTime(1);
    }
    expect(written().split('images/s').length - 1).toBe(10);
    expect(written()).toContain('99 %  train  1 m 12 s left  1,015 images/s');
    for (const event of stamped([ended])) block.event(event);
    block.close();
    const closed = written();
    expect(stripVTControlCharacters(closed).trimEnd()).toMatch(
      /\n· small: failed in 2 m 13 s, tasks: 1 succeeded, 1 up to date, 1 failed$/,
    );
    vi.advanceTimersByTime(1000);
    expect(written()).toBe(closed);
  });

  test('NO_COLOR leaves colours out; a dumb terminal gets plain lines', () => {
    expect(printedBy('block', { NO_COLOR: '' }).stderr).toContain('\u001b[32m✓');
    expect(printedBy('block', { NO_COLOR: '1' }).stderr).not.toContain('\u001b[32m');
    expect(printedBy('block', { TERM: 'dumb' })).toEqual(printedBy('plain'));
  });
});

test('text is cut by columns, between characters', () => {
  expect(truncate('abcdef', 6)).toBe('abcdef');
  expect(truncate('abcdef', 4)).toBe('abc…');
  expect(truncate('很长的字', 6)).toBe('很长…');
  expect(truncate('abc', 0)).toBe('');
  expect(fitting([{ text: 'ab' }, { text: 'cd' }, { text: 'e' }], 2, 6)).toEqual([
    { text: 'ab' },
    { text: 'cd' },
  ]);
});
