import { resolve } from 'node:path';
import { EXIT, UserError } from '../errors/errors.ts';
import { visible } from '../errors/visible.ts';
import { plannable } from '../plan/plan.ts';
import { packageRoot } from '../python/package-root.ts';
import { readRecipes } from '../run/read-recipe.ts';
import { defineCommand } from './definition.ts';
import { readJobFile } from './job-file.ts';
import { SET_FLAG, setLayers } from './set-flag.ts';

export default defineCommand({
  summary: 'Say every problem of a spec, where it is and the nearest valid thing; run nothing',
  examples: ['capstone validate --spec job.json', 'capstone validate --spec job.json --set train.epochs=3'],
  flags: [{ name: '--spec', value: 'FILE', description: 'Job spec (JSON).' }, SET_FLAG],
  async run(flags, _args, io) {
    const spec = flags['--spec'];
    if (typeof spec !== 'string') {
      throw new UserError('flag_missing', 'capstone validate needs --spec FILE', [
        'Try: capstone validate --spec examples/quickstart.json',
      ]);
    }
    const job = readJobFile(resolve(io.cwd, spec), spec, setLayers(flags, io.cwd));
    plannable(job, io.cwd, readRecipes(job, packageRoot()));
    io.stdout.write(visible(`${spec} is a valid ${job.kind} job\n`));
    return EXIT.done;
  },
});
