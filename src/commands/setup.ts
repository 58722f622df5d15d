import { EXIT } from '../errors/errors.ts';
import { packageRoot } from '../python/package-root.ts';
import { setup } from '../python/setup.ts';
import { acquireLock } from '../store/lock.ts';
import { writeJson } from '../store/write.ts';
import { defineCommand } from './definition.ts';

const OTHER_SETUP_TIMEOUT_MS = 30 * 60 * 1000;

export default defineCommand({
  summary: 'Make the Python environment',
  description: 'Makes .venv in a clone, or an environment under $XDG_DATA_HOME after a global install.',
  examples: ['capstone setup', 'CAPSTONE_PYTHON=/opt/torch/bin/python capstone sweep'],
  flags: [
    { name: '--quiet', description: 'Say nothing when it is ready.' },
    { name: '--dev', description: 'Also what the checks and tests need.' },
  ],
  async run(flags, _args, io) {
    const root = packageRoot();
    const interpreter = await setup({
      packageRoot: root,
      env: io.env,
      dev: flags['--dev'] === true,
      report: (line) => io.stderr.write(`${line}\n`),
      writeJson,
      lock: (path) => acquireLock(path, { timeoutMs: OTHER_SETUP_TIMEOUT_MS }),
    });
    if (flags['--quiet'] !== true) {
      io.stdout.write(`${interpreter.path}: Python ${interpreter.python}, torch ${interpreter.torch}\n`);
    }
    return EXIT.done;
  },
});
