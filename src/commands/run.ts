import { resolve } from 'node:path';
import { UserError } from '../errors/errors.ts';
import { defineCommand } from './definition.ts';
import { EXECUTE_FLAGS, executeJob } from './execute-job.ts';
import { readJobFile } from './job-file.ts';
import { resumeRun } from './runs/resume.ts';
import { SET_FLAG, setLayers } from './set-flag.ts';
import { TRUST_FLAG } from './trust-code.ts';

export default defineCommand({
  summary: 'Run any job from a spec file, or go on with an interrupted run',
  examples: [
    'capstone run --spec examples/quickstart.json',
    'capstone run --spec job.json --set train.epochs=3 --dry-run',
  ],
  flags: [
    { name: '--spec', value: 'FILE', description: 'Job spec (JSON).' },
    SET_FLAG,
    {
      name: '--resume',
      value: 'RUN',
      description: 'Run to go on with, in its own folder: an id, the beginning of one, or latest.',
    },
    TRUST_FLAG,
    ...EXECUTE_FLAGS,
  ],
  async run(flags, _args, io) {
    const { '--spec': spec, '--resume': id } = flags;
    const set = setLayers(flags, io.cwd);
    if (typeof spec === 'string' && id === undefined) {
      return executeJob(readJobFile(resolve(io.cwd, spec), spec, set), flags, io);
    }
    if (typeof id === 'string' && spec === undefined) {
      if (set.length > 0) {
        throw new UserError(
          'flag_invalid',
          '--set changes a spec, and --resume goes on with what was asked',
          ['Leave out one of them.'],
        );
      }
      return resumeRun(id, flags, io);
    }
    throw new UserError('flag_missing', 'capstone run needs either --spec FILE or --resume RUN', [
      'Try: capstone run --spec examples/quickstart.json',
    ]);
  },
});
