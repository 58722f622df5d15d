import { describe, expect, test } from 'vitest';
import type { PlannedTask } from '../plan/planned.ts';
import type { Task } from '../spec/task.ts';
import type { TaskOutcome } from '../worker/outcome.ts';
import { Schedule } from './schedule.ts';

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
    light: false,
    upToDate: false,
    because: '',
    ...change,
  } as PlannedTask;
}

/** Plays the tasks and writes down what happened, in order. */
async function play(
  tasks: PlannedTask[],
  concurrency: number,
  outcomeOf: (id: string, attempt: number) => TaskOutcome = () => SUCCEEDED,
  onLine: (line: string, schedule: Schedule) => void = () => {},
): Promise<string[]> {
  const log: string[] = [];
  const say = (line: string) => {
    log.push(line);
    onLine(line, schedule);
  };
  const schedule = new Schedule(
    tasks,
    { concurrency, light: 2, together: () => 3 },
    {
      queued: () => {},
      async execute(together) {
        const ids = together.map(({ task }) => task.id);
        say(`${ids.join(' + ')} starts`);
        await new Promise((resume) => setTimeout(resume, 5));
        return together.map(({ task }) => {
          const attempts = log.filter((line) => / starts$/.test(line) && line.split(' ').includes(task.id));
          return { task, outcome: outcomeOf(task.id, attempts.length) };
        });
      },
      ended: ({ task: { id } }) => say(`${id} ends`),
      skipped: ({ task: { id } }, because) => say(`${id} skipped: ${because}`),
      retried: ({ task: { id } }) => say(`${id} again`),
    },
  );
  await schedule.run();
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

test('exclusive ones of one name that are ready run together, and nothing beside them', async () => {
  const alone = { exclusive: true };
  const tasks = [
    task('a'),
    task('x', { ...alone, together: 'one' }),
    task('y', { ...alone, together: 'two' }),
    task('z', { ...alone, together: 'one' }),
    task('late', { ...alone, together: 'one', needs: ['y'] }),
    task('done', { ...alone, together: 'one', upToDate: true }),
  ];
  expect(await play(tasks, 4)).toEqual([
    ...['a starts', 'a ends', 'x + z starts', 'x ends', 'z ends'],
    ...['y starts', 'y ends', 'late starts', 'late ends'],
  ]);
});

describe('of those that ran together', () => {
  const together = (...ids: string[]) => ids.map((id) => task(id, { exclusive: true, together: 'one' }));

  test('no more than there is room for', async () => {
    const log = await play(together('a', 'b', 'c', 'd'), 1);
    expect(log.filter((line) => line.endsWith('starts'))).toEqual(['a + b + c starts', 'd starts']);
  });

  test('where they fail each runs again alone, and ends as it does there', async () => {
    const log = await play(together('a', 'b'), 1, (id, attempt) =>
      id === 'b' || attempt === 1 ? FAILED : SUCCEEDED,
    );
    expect(log).toEqual([
      ...['a + b starts', 'a again', 'b again'],
      ...['a starts', 'a ends', 'b starts', 'b ends'],
    ]);
  });

  test('one that is cancelled does not run again, nor does any in a run that stops', async () => {
    const cancelled = (id: string): TaskOutcome => (id === 'b' ? { status: 'cancelled' } : FAILED);
    expect(await play(together('a', 'b'), 1, cancelled)).toEqual([
      ...['a + b starts', 'a again', 'b ends', 'a starts', 'a ends'],
    ]);
    const stopped = await play(together('a', 'b'), 1, cancelled, (line, schedule) => {
      if (line === 'a + b starts') schedule.stop();
    });
    expect(stopped).toEqual(['a + b starts', 'a ends', 'b ends']);
  });

  test('one that waits for its turn alone can be cancelled', async () => {
    const log = await play(
      together('a', 'b'),
      1,
      () => FAILED,
      (line, schedule) => {
        if (line === 'a starts') schedule.cancel('b');
      },
    );
    expect(log.slice(-3)).toEqual(['a starts', 'b skipped: it was asked not to run', 'a ends']);
  });

  test('one that is asked for again runs alone', async () => {
    const log = await play(
      [...together('a', 'b'), task('long', { exclusive: true })],
      1,
      (_, attempt) => (attempt < 3 ? FAILED : SUCCEEDED),
      (line, schedule) => {
        if (line === 'long starts') {
          schedule.retry('a');
          schedule.retry('b');
        }
      },
    );
    expect(log.slice(log.indexOf('long starts'))).toEqual([
      ...['long starts', 'a again', 'b again', 'long ends', 'a starts', 'a ends', 'b starts', 'b ends'],
    ]);
  });
});

test('light ones side by side, but never beside another kind', async () => {
  const light = { light: true };
  const tasks = [task('a', light), task('b', light), task('c', light), task('heavy'), task('d', light)];
  expect(await play([...tasks, task('alone', { exclusive: true })], 1)).toEqual([
    ...['a starts', 'b starts', 'a ends', 'c starts', 'b ends', 'd starts', 'c ends', 'd ends'],
    ...['heavy starts', 'heavy ends', 'alone starts', 'alone ends'],
  ]);
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

test('a stopped run starts nothing more', async () => {
  const log = await play([task('a'), task('b')], 1, undefined, (line, schedule) => {
    if (line === 'a starts') schedule.stop();
  });
  expect(log).toEqual(['a starts', 'b skipped: the run was cancelled', 'a ends']);
});

test('a task that waits can be cancelled, and takes what needs it along at once', async () => {
  const tasks = [task('a'), task('b'), task('c', { needs: ['b'] })];
  const log = await play(tasks, 1, undefined, (line, schedule) => {
    if (line === 'a starts') schedule.cancel('b');
  });
  expect(log).toEqual([
    'a starts',
    'b skipped: it was asked not to run',
    'c skipped: it needs b, which did not succeed',
    'a ends',
  ]);
});

test('a failed task that is asked for again brings back what needed it, but nothing that was cancelled', async () => {
  const tasks = [
    task('a'),
    task('b', { needs: ['a'] }),
    task('c', { needs: ['a'] }),
    task('d', { needs: ['b'] }),
    task('long'),
  ];
  const log = await play(
    tasks,
    1,
    (id, attempt) => (id === 'a' && attempt === 1 ? FAILED : SUCCEEDED),
    (line, schedule) => {
      if (line === 'a starts') schedule.cancel('c');
      if (line === 'long starts') schedule.retry('a');
    },
  );
  expect(log).toEqual([
    'a starts',
    'c skipped: it was asked not to run',
    'a ends',
    'b skipped: it needs a, which did not succeed',
    'd skipped: it needs b, which did not succeed',
    'long starts',
    'a again',
    'b again',
    'd again',
    'long ends',
    'a starts',
    'a ends',
    'b starts',
    'b ends',
    'd starts',
    'd ends',
  ]);
});

test('asking again for a task that has not failed, or of a run that stops, changes nothing', async () => {
  const log = await play(
    [task('a'), task('b')],
    1,
    (id) => (id === 'a' ? FAILED : SUCCEEDED),
    (line, schedule) => {
      if (line !== 'b starts') return;
      schedule.retry('b');
      schedule.stop();
      schedule.retry('a');
    },
  );
  expect(log).toEqual(['a starts', 'a ends', 'b starts', 'b ends']);
});

test.each([
  ['while a task runs', { execute: () => Promise.reject(new Error('no room for the log')) }],
  [
    'when it has ended',
    {
      ended: () => {
        throw new Error('no room for the log');
      },
    },
  ],
])('what an action throws %s ends the run', async (_when, actions) => {
  const play = new Schedule(
    [task('a')],
    { concurrency: 1, light: 2, together: () => 1 },
    {
      queued: () => {},
      execute: async ([first]) => [{ task: first?.task as Task, outcome: SUCCEEDED }],
      ended: () => {},
      skipped: () => {},
      retried: () => {},
      ...actions,
    },
  );
  await expect(play.run()).rejects.toThrow('no room for the log');
});
