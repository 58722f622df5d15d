import { resolve } from 'node:path';
import { UserError } from '../errors/errors.ts';
import { defineCommand } from './definition.ts';
import { EXECUTE_FLAGS, executeJob } from './execute-job.ts';
import { readJobFile } from './job-file.ts';
import { resumeRun } from './runs/resume.ts';

export default defineCommand({
  summary: 'Run any job from a spec file, or go on with an interrupted run',
  examples: ['capstone run --spec examples/quickstart.json', 'capstone run --spec job.json --dry-run'],
  flags: [
    { name: '--spec', value: 'FILE', description: 'Job spec (JSON).' },
    {
      name: '--resume',
      value: 'RUN',
      description: 'Run to go on with, in its own folder: an id, the beginning of one, or latest.',
    },
    ...EXECUTE_FLAGS,
  ],
  async run(flags, _args, io) {
    const { '--spec': spec, '--resume': id } = flags;
    if (typeof spec === 'string' && id === undefined) {
      return executeJob(readJobFile(resolve(io.cwd, spec)), flags, io);
    }
    if (typeof id === 'string' && spec === undefined) return resumeRun(id, flags, io);
    throw new UserError('flag_missing', 'capstone run needs either --spec FILE or --resume RUN', [
      'Try: capstone run --spec examples/quickstart.json',
    ]);
  },
});
