/** An empty environment. */
import { rmSync } from 'node:fs';
import { execa } from 'execa';
import { MachineError } from '../errors/errors.ts';
import { type BasePython, minorOf } from './base-python.ts';
import { lastLines, noRoom } from './install-failure.ts';

export interface VenvRequest {
  readonly base: BasePython;
  readonly folder: string;
  /** Costs seconds, and on Debian a package of its own. */
  readonly withPip: boolean;
  readonly env: NodeJS.ProcessEnv;
  /** What to run again after a failure. */
  readonly command: string;
}

/** Leaves nothing behind where it fails. */
export async function makeVenv({ base, folder, withPip, env, command }: VenvRequest): Promise<void> {
  const flags = withPip ? [] : ['--without-pip'];
  const { failed, stdout, stderr, shortMessage } = await execa(base.path, ['-m', 'venv', ...flags, folder], {
    reject: false,
    env,
    extendEnv: false,
  });
  if (!failed) return;
  rmSync(folder, { recursive: true, force: true });
  const output = `${stdout}\n${stderr}`;
  if (/ensurepip|No module named '?venv/.test(output)) {
    const name = `python${minorOf(base.version)}-venv`;
    throw new MachineError(
      'venv_missing',
      `${base.path} cannot make environments: its package ${name} is missing`,
      [`Install it, for example: apt-get install ${name}`],
    );
  }
  throw (
    noRoom(output, folder, command) ??
    new MachineError(
      'venv_failed',
      `${base.path} cannot make ${folder}:\n${lastLines(output) || shortMessage}`,
      ['Name another interpreter: capstone setup --python /path/to/python'],
    )
  );
}
