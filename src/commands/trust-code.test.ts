import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { UserError } from '../errors/errors.ts';
import type { Plan } from '../plan/planned.ts';
import type { FlagValues, Io } from './definition.ts';
import { needTrust } from './trust-code.ts';

const SHA = 'c'.repeat(64);

const task = (upToDate: boolean, code?: string) => ({
  upToDate,
  task: {
    spec: code === undefined ? {} : { code: { function: 'small', sha256: SHA } },
    paths: code === undefined ? {} : { code },
  },
});
const plan = (...tasks: object[]) => ({ tasks }) as unknown as Plan;

/** What was asked and how it ended; `typed` is undefined where no terminal is there. */
async function trusted(of: Plan, flags: FlagValues = {}, typed?: string) {
  const isTTY = typed !== undefined;
  const stdin = Object.assign(new PassThrough(), { isTTY });
  const stderr = Object.assign(new PassThrough(), { isTTY });
  stdin.end(typed);
  const io = { stdin, stderr, env: {}, cwd: '/' } as unknown as Io;
  const outcome = await needTrust(of, flags, io).then(
    () => 'trusted',
    (error: unknown) => (error instanceof UserError ? [error.code, error.message, ...error.next] : error),
  );
  return { outcome, asked: String(stderr.read() ?? '') };
}

const REFUSED = [
  'code_not_trusted',
  `not allowed to execute /spec/net.py, SHA-256 ${SHA}`,
  'Read the file; where you trust it, run the same command with --trust-code.',
];

describe('code of a user’s own', () => {
  test('needs no word where none of it runs', async () => {
    const { outcome, asked } = await trusted(plan(task(true, '/spec/net.py'), task(false)));
    expect({ outcome, asked }).toEqual({ outcome: 'trusted', asked: '' });
  });

  test('is refused without a terminal, each file once', async () => {
    const two = plan(task(false, '/spec/net.py'), task(false, '/spec/net.py'));
    expect((await trusted(two)).outcome).toEqual(REFUSED);
    const others = plan(task(false, '/spec/net.py'), task(false, '/b.py'));
    expect((await trusted(others)).outcome).toEqual([
      'code_not_trusted',
      `not allowed to execute /spec/net.py, SHA-256 ${SHA}; /b.py, SHA-256 ${SHA}`,
      REFUSED[2],
    ]);
  });

  test('runs by the flag, and by a typed yes', async () => {
    const one = plan(task(false, '/spec/net.py'));
    expect(await trusted(one, { '--trust-code': true })).toEqual({ outcome: 'trusted', asked: '' });
    const { outcome, asked } = await trusted(one, {}, 'yes\n');
    expect(outcome).toBe('trusted');
    expect(asked).toContain(
      `This executes code that capstone knows nothing about:\n  /spec/net.py, SHA-256 ${SHA}\n`,
    );
    expect(asked).toContain('Type yes to execute it: ');
  });

  test.each(['y\n', '\n', 'no\n', 'yes please\n', ''])('%j is not yes', async (typed) => {
    expect((await trusted(plan(task(false, '/spec/net.py')), {}, typed)).outcome).toEqual(REFUSED);
  });
});
