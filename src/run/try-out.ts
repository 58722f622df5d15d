/** Whether an environment that was just made can run the workers. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MachineError } from '../errors/errors.ts';
import { WorkerHost } from '../worker/host.ts';

/**
 * Starts the host, which imports all that tasks need, and ends it. With bytecode written whatever the environment says of
 * it: each later start takes 2 s instead of 6.
 */
export async function tryOut(
  python: string,
  root: string,
  { PYTHONDONTWRITEBYTECODE: _, ...env }: NodeJS.ProcessEnv,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'capstone-setup-'));
  const host = new WorkerHost({
    python,
    packageRoot: root,
    env,
    hostLogPath: join(folder, 'host.log'),
    onEvent() {},
    onForeign() {},
  });
  try {
    await host.start();
  } catch (error) {
    if (!(error instanceof MachineError)) throw error;
    throw new MachineError('environment_unusable', `what was installed does not run here: ${error.message}`, [
      'Install what it says is missing, then run again: capstone setup',
      'Or name an interpreter whose torch works here: CAPSTONE_PYTHON=PATH',
    ]);
  } finally {
    await host.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
