import { existsSync } from 'node:fs';
import { type ExitCode, UserError } from '../../errors/errors.ts';
import { runPaths } from '../../store/paths.ts';
import { findRun, readRunEnds } from '../../store/runs.ts';
import { defineCommand, type FlagValues, type Io } from '../definition.ts';
import { EXECUTE_FLAGS, executeJob } from '../execute-job.ts';
import { readRunJob } from '../job-file.ts';
import { placeFrom } from '../place.ts';
import { TRUST_FLAG } from '../trust-code.ts';
import { ifItIsGone, RUN_ARGUMENT } from './arguments.ts';

export const resume = defineCommand({
  summary: 'Go on with a run in its own folder: everything that is not up to date',
  description: 'The same as capstone run --resume RUN.',
  examples: ['capstone runs resume latest', 'capstone runs resume latest --dry-run'],
  arguments: [RUN_ARGUMENT],
  flags: [TRUST_FLAG, ...EXECUTE_FLAGS],
  run: (flags, args, io) => resumeRun(args[0] ?? '', flags, io),
});

export async function resumeRun(name: string, flags: FlagValues, io: Io): Promise<ExitCode> {
  const { workspace } = placeFrom(flags, io);
  const id = findRun(workspace, name);
  const { owner } = readRunEnds(workspace, id);
  if (owner?.alive === true) {
    throw new UserError(
      'run_running',
      `run ${id} is running already, as process ${owner.pid} on ${owner.host}`,
      [`See where it stands: capstone runs show ${id}`, ...ifItIsGone(workspace, id, owner)],
    );
  }
  const { job } = runPaths(workspace, id);
  if (!existsSync(job)) {
    throw new UserError('run_empty', `run ${id} ended before it had written its job down`, [
      `Start the job anew, and remove this run: capstone runs rm ${id}`,
    ]);
  }
  return executeJob(readRunJob(job, workspace), flags, io, id);
}
