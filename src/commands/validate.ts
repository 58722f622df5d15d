import { resolve } from 'node:path';
import { EXIT, UserError } from '../errors/errors.ts';
import { defineCommand } from './definition.ts';
import { readJobFile } from './job-file.ts';

export default defineCommand({
  summary: 'Say every problem of a spec, where it is and the nearest valid thing; run nothing',
  examples: ['capstone validate --spec job.json'],
  flags: [{ name: '--spec', value: 'FILE', description: 'Job spec (JSON).' }],
  async run(flags, _args, io) {
    const spec = flags['--spec'];
    if (typeof spec !== 'string') throw new UserError('flag_missing', 'capstone validate needs --spec FILE');
    const job = readJobFile(resolve(io.cwd, spec));
    io.stdout.write(`${spec} is a valid ${job.kind} job\n`);
    return EXIT.done;
  },
});
