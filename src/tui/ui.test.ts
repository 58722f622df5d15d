/** The UI as a person uses it, without a terminal: keys in, frames and requests out. */
import { expect, test } from 'vitest';
import { FakeRuns, summary, viewOf } from '../../test/fixtures/fake-runs.ts';
import { row } from '../../test/fixtures/row.ts';

const live = summary('20261124T120000Z-quickstart-aaaa', {
  state: 'running',
  tasks: { done: 1, failed: 0, total: 11 },
});
const past = summary('20261123T120000Z-vit-bbbb', {
  name: 'vit',
  state: 'failed',
  tasks: { done: 3, failed: 1, total: 5 },
});

function withRuns() {
  const runs = new FakeRuns();
  runs.onRuns([live, past]);
  return runs;
}

test('with no run yet, Enter starts the quickstart, and the list shows it chosen', async () => {
  const runs = new FakeRuns({ started: live.id });
  runs.onRuns([]);
  expect(runs.press('enter').asked).toEqual(['start quickstart']);
  await Promise.resolve();
  runs.onRuns([past, live]);
  await Promise.resolve();
  expect(runs.frame()).toMatch(/\n> ● running +quickstart/);
});

test('a run is cancelled, deleted and gone on with after a question, and only where that means something', () => {
  const runs = withRuns();
  expect(runs.press('x').frame()).toContain(`Cancel ${live.id}?\ny yes  n no`);
  expect(runs.press('n').asked).toEqual([]);
  expect(runs.press('x', 'y').asked).toEqual([`cancel ${live.id}`]);
  expect(runs.press('d').frame()).toContain(`${live.id} is running: cancel it first`);
  expect(runs.press('j', 'x').frame()).toContain(`${past.id} is not running: it is failed`);
  expect(runs.press('d', 'y', 'r').asked.slice(1)).toEqual([`remove ${past.id}`, `resume ${past.id}`]);
});

test('no other key is heard while a question stands', () => {
  const runs = withRuns();
  expect(runs.press('d', 'x', 'q', 'enter').frame()).toContain('> ● running');
  expect(runs.press('x', 'q', '?', 'down').frame()).toContain('Cancel');
  expect(runs.quits).toEqual([]);
});

test('a filter narrows the list as it is typed, and giving up brings it back', () => {
  const runs = withRuns();
  runs.press('/').type('failed vit');
  expect(runs.frame()).toContain('filter "failed vit" · 1 of 2 runs');
  expect(runs.frame()).not.toContain('quickstart');
  expect(runs.press('esc').frame()).toContain('quickstart');
  expect(runs.press('/').type('none such').press('enter').frame()).toContain('no run matches');
  expect(runs.press('enter', '/', 'ctrl-u', 'enter', 's', 's').frame()).toMatch(
    /by name\n.*\n> .*quickstart/,
  );
});

test('quitting asks only about runs that were started here and go on', async () => {
  const stranger = withRuns();
  expect(stranger.press('q').quits).toEqual(['quit']);
  expect(stranger.asked).toEqual([]);

  const runs = new FakeRuns({ started: live.id });
  runs.onRuns([]);
  runs.press('enter');
  await new Promise((resolve) => setTimeout(resolve));
  runs.onRuns([live]);
  expect(runs.press('q').frame()).toContain('A run that you started goes on. Leave running, or cancel?');
  expect(runs.press('esc').quits).toEqual([]);
  expect(runs.press('q', 'l').quits).toEqual(['quit']);
  expect(runs.press('ctrl-c', 'c').quits).toEqual(['quit', 'interrupted']);
  expect(runs.asked).toEqual(['start quickstart', `cancel ${live.id}`]);
});

test('it listens to what it shows and to nothing else', () => {
  const runs = withRuns();
  expect([...runs.open]).toEqual(['list']);
  runs.press('enter', 'l');
  expect([...runs.open]).toEqual(['list', `follow ${live.id}`, `log ${live.id} null`]);
  runs.press('R');
  expect([...runs.open]).toEqual(['list', `follow ${live.id}`, `rows ${live.id}`]);
  runs.press('esc', 'esc');
  expect([...runs.open]).toEqual(['list']);
  runs.ui.close();
  expect([...runs.open]).toEqual([]);
});

test('one task is cancelled, a failed one is run again; once the run is over, all that is missing', () => {
  const runs = withRuns().press('enter');
  const task = { type: 'task_planned', kind: 'train', because: 'asked for', needs: [] as string[] } as const;
  const view = viewOf(live.id, [
    { type: 'run_started', kind: 'sweep', name: 'quickstart', resumed: false, host: 'h', pid: 1 },
    { ...task, task: 'a', label: 'train resnet18 on cifar10' },
    { ...task, task: 'b', label: 'train vit_b_16 on cifar10' },
    { type: 'started', task: 'a', pid: 2, pgid: 2 },
    {
      type: 'task_failed',
      task: 'b',
      code: 'out_of_memory',
      message: 'it was killed',
      hint: 'Try a smaller batch_size.',
      exit_code: null,
      signal: 'SIGKILL',
      missing: ['result', 'done'],
      log_tail: '',
    },
  ]);
  runs.onRun({ view, state: 'running', said: [] });
  expect(runs.press('c', 'y').asked).toEqual([`cancel a of ${live.id}`]);
  expect(runs.press('r').frame()).toContain('train resnet18 on cifar10 has not failed: it is running');
  expect(runs.press('down', 'c').frame()).toContain('train vit_b_16 on cifar10 is over: failed');
  expect(runs.frame()).toContain('out_of_memory: it was killed\nTry a smaller batch_size.\nr runs it again');
  expect(runs.press('r').asked.slice(1)).toEqual([`retry b of ${live.id}`]);
  runs.onRun({ view, state: 'failed', said: [] });
  expect(runs.press('r').asked.slice(2)).toEqual([`resume ${live.id}`]);
});

test('rows are narrowed by a condition, marked, compared and written as they are shown', () => {
  const runs = withRuns().press('R');
  runs.onRows([
    row(),
    row({ level: 3, speedup: 1.4, verdict: 'faster' }),
    row({ level: 5, verdict: 'slower' }),
  ]);
  expect(runs.press('=').frame()).toContain('mark two of these rows first');
  runs.press('/').type('levl>1').press('enter');
  expect(runs.frame()).toContain('at 1: unknown column "levl". Did you mean "level"?');
  runs.press('ctrl-u').type('level>1').press('enter');
  expect(runs.frame()).toContain('2 of 3 rows · where level>1');
  runs.press('space', 'down', 'm', 'e', 'down', 'enter', 'enter');
  expect(runs.asked).toEqual(['write results.json: [']);
  expect(runs.press('=').frame()).toMatch(/\n +A +B +B - A +better\n/);
  runs.press('e', 'enter').type('x').press('enter');
  expect(runs.asked[1]).toBe('write results.csvx: column,a,b,difference,better');
});

test('a terminal that is too small says so, and can be left', () => {
  const runs = withRuns();
  runs.ui.resize({ columns: 79, rows: 24 });
  expect(runs.frame()).toBe(
    'capstone needs 80 columns and 24 rows.\nThis terminal has 79 and 24: make it larger, or quit with q.',
  );
  expect(runs.press('q').quits).toEqual(['quit']);
});
