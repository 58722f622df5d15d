/**
 * The worker host, started while the plan is still being made: importing torch takes seconds, and so does looking at a
 * large data set. Only where an output is missing, so that something is certain to run.
 */
import { randomBytes } from 'node:crypto';
import { rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { workspacePaths } from '../store/paths.ts';
import { canHoldFiles } from '../store/writable.ts';
import { makeFolder } from '../store/write.ts';
import type { LocalExecutor } from './execute-local.ts';

/** Its log lies beside the runs, on their disk, until its run has a folder to move it to. */
export function startAhead(executor: LocalExecutor, workspace: string): void {
  const { runs } = workspacePaths(workspace);
  // What cannot be written is refused when the plan is there, in better words.
  if (!canHoldFiles(runs)) return;
  makeFolder(runs);
  executor.startAhead(join(runs, `.host-${randomBytes(4).toString('hex')}.log`));
}

/** Ends a host that no run has come to use: the plan was refused. */
export async function abandonAhead(executor: LocalExecutor, workspace: string): Promise<void> {
  if (!(await executor.abandon())) return;
  try {
    rmdirSync(workspacePaths(workspace).runs);
  } catch {
    // It holds runs.
  }
}
