import { expect, test } from 'vitest';
import type { PlannedTask } from '../plan/plan.ts';
import type { TaskOutcome } from '../worker/outcome.ts';
import { schedule } from './schedule.ts';

const SUCCEEDED: TaskOutcome = { status: 'succeeded', values: {} };
const FAILED: TaskOutcome = {
  status: 'failed',
  code: 'internal',
  message: 'it broke',
  hint: '',
  exit_code: 1,
  signal: null,
  missing: [],
  log_tail: '',
};

function task(id: string, change: Partial<PlannedTask> = {}): PlannedTask {
  return {
    task: { id },
    label: id,
    needs: [],
    exclusive: false,
    upToDate: false,
    because: '',
    ...change,
  } as PlannedTask;
}

/** Plays the tasks and writes down what happened, in order. */
async function play(
  tasks: PlannedTask[],
  concurrency: number,
  outcomeOf: (id: string) => TaskOutcome = () => SUCCEEDED,
  stopping: (log: readonly string[]) => boolean = () => false,
): Promise<string[]> {
  const log: string[] = [];
  await schedule(tasks, concurrency, () => stopping(log), {
    queued: () => {},
    async execute({ task: { id } }) {
      log.push(`${id} starts`);
      await new Promise((resume) => setTimeout(resume, 5));
      log.push(`${id} ends`);
      return outcomeOf(id);
    },
    skipped: ({ task: { id } }, because) => log.push(`${id} skipped: ${because}`),
  });
  return log;
}

test('a task starts when what it needs has succeeded; what is up to date counts as done', async () => {
  const tasks = [task('a', { upToDate: true }), task('b', { needs: ['a'] }), task('c', { needs: ['b'] })];
  expect(await play(tasks, 4)).toEqual(['b starts', 'b ends', 'c starts', 'c ends']);
});

test('as many side by side as allowed, an exclusive one alone', async () => {
  const tasks = [task('a'), task('b'), task('alone', { exclusive: true }), task('c')];
  const log = await play(tasks, 2);
  expect(log.slice(0, 2)).toEqual(['a starts', 'b starts']);
  const during = log.slice(log.indexOf('alone starts') + 1, log.indexOf('alone ends'));
  expect(during).toEqual([]);
  expect(log.filter((line) => line.endsWith('ends'))).toHaveLength(4);
});

test('a failure takes what needs it along and nothing else', async () => {
  const tasks = [task('a'), task('b', { needs: ['a'] }), task('c', { needs: ['b'] }), task('d')];
  const log = await play(tasks, 1, (id) => (id === 'a' ? FAILED : SUCCEEDED));
  expect(log).toEqual([
    'a starts',
    'a ends',
    'b skipped: it needs a, which did not succeed',
    'c skipped: it needs b, which did not succeed',
    'd starts',
    'd ends',
  ]);
});

test('ends when the last tasks are skipped', async () => {
  const log = await play([task('a'), task('b', { needs: ['a'] })], 1, () => FAILED);
  expect(log).toEqual(['a starts', 'a ends', 'b skipped: it needs a, which did not succeed']);
});

test('a cancelled run starts nothing more', async () => {
  const log = await play([task('a'), task('b')], 1, undefined, (soFar) => soFar.length > 0);
  expect(log).toEqual(['a starts', 'b skipped: the run was cancelled', 'a ends']);
});
