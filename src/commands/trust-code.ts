/**
 * A network’s own code runs when the person at the command line says so, and nobody else can: no spec, no
 * environment, no earlier run, no file. What is asked for is what would run now.
 */
import { UserError } from '../errors/errors.ts';
import { visible } from '../errors/visible.ts';
import type { Plan } from '../plan/planned.ts';
import { ask, canAsk } from './ask.ts';
import type { Flag, FlagValues, Io } from './definition.ts';

export const TRUST_FLAG: Flag = {
  name: '--trust-code',
  description: 'Allow this time that the files named in "code" of models are executed.',
};

/** Throws UserError where code would run that nobody has allowed. */
export async function needTrust(plan: Plan, flags: FlagValues, io: Io): Promise<void> {
  const files = codeToRun(plan);
  if (files.length === 0 || flags['--trust-code'] === true) return;
  const listed = files.map(({ path, sha256 }) => `${path}, SHA-256 ${sha256}`);
  if (canAsk(io)) {
    const shown = listed.map((file) => `  ${file}\n`).join('');
    io.stderr.write(visible(`This executes code that capstone knows nothing about:\n${shown}`));
    if ((await ask('Type yes to execute it: ', io)) === 'yes') return;
  }
  throw new UserError('code_not_trusted', `not allowed to execute ${listed.join('; ')}`, [
    'Read the file; where you trust it, run the same command with --trust-code.',
  ]);
}

/** Of the tasks that run: each file once. */
function codeToRun(plan: Plan): { path: string; sha256: string }[] {
  const files = new Map<string, string>();
  for (const { task, upToDate } of plan.tasks) {
    if (upToDate || task.spec.code === undefined || task.paths.code === undefined) continue;
    files.set(task.paths.code, task.spec.code.sha256);
  }
  return [...files].map(([path, sha256]) => ({ path, sha256 }));
}
