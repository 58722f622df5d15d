import { resolve } from 'node:path';
import { UserError } from '../errors/errors.ts';
import { runPaths } from '../store/paths.ts';
import { defineCommand } from './definition.ts';
import { EXECUTE_FLAGS, executeJob } from './execute-job.ts';
import { readJobFile } from './job-file.ts';
import { placeFrom } from './place.ts';

export default defineCommand({
  summary: 'Run any job from a spec file, or go on with an interrupted run',
  examples: ['capstone run --spec examples/quickstart.json', 'capstone run --spec job.json --dry-run'],
  flags: [
    { name: '--spec', value: 'FILE', description: 'Job spec (JSON).' },
    { name: '--resume', value: 'RUN', description: 'Id of a run to go on with, in its own folder.' },
    ...EXECUTE_FLAGS,
  ],
  async run(flags, _args, io) {
    const { '--spec': spec, '--resume': id } = flags;
    if (typeof spec === 'string' && id === undefined) {
      return executeJob(readJobFile(resolve(io.cwd, spec)), flags, io);
    }
    if (typeof id === 'string' && spec === undefined) {
      return executeJob(readJobFile(runPaths(placeFrom(flags, io).workspace, id).job), flags, io, id);
    }
    throw new UserError('flag_missing', 'capstone run needs either --spec FILE or --resume RUN', [
      'Try: capstone run --spec examples/quickstart.json',
    ]);
  },
});
