import { EXIT, UserError } from '../errors/errors.ts';
import { Variant } from '../python/lock-files.ts';
import { packageRoot } from '../python/package-root.ts';
import { setup } from '../python/setup.ts';
import { tryOut } from '../run/try-out.ts';
import { acquireLock, lockOwner } from '../store/lock.ts';
import { writeJson } from '../store/write.ts';
import { defineCommand, type FlagValues } from './definition.ts';

const OTHER_SETUP_TIMEOUT_MS = 30 * 60 * 1000;

export default defineCommand({
  summary: 'Make the Python environment',
  description:
    'Makes .venv in a clone, or an environment under $XDG_DATA_HOME after a global install. What is there is ' +
    'left, what was interrupted is mended. Every package is checked against the hashes of a lock file.',
  examples: [
    'capstone setup',
    'capstone setup --torch cpu',
    'CAPSTONE_PYTHON=/opt/torch/bin/python capstone sweep',
  ],
  flags: [
    {
      name: '--torch',
      value: Variant.options.join('|'),
      description:
        'cpu: the CPU build of torch, 260 MB to download instead of 2 GB on Linux x86-64 with Python 3.10 (elsewhere ' +
        'there is no other); without this flag the build that is there stays.',
    },
    {
      name: '--python',
      value: 'PATH',
      description: 'Python 3.10 to 3.12 to make a new environment from; default: the first on PATH.',
    },
    { name: '--quiet', description: 'Say nothing when it is ready.' },
    { name: '--dev', description: 'Also what the checks and tests need.' },
  ],
  async run(flags, _args, io) {
    const say = (line: string) => io.stderr.write(`${line}\n`);
    const python = flags['--python'];
    const interpreter = await setup({
      packageRoot: packageRoot(),
      env: io.env,
      platform: { os: process.platform, arch: process.arch },
      dev: flags['--dev'] === true,
      ...variantFrom(flags),
      ...(typeof python === 'string' ? { python } : {}),
      report: say,
      writeJson,
      tryOut: (python) => tryOut(python, packageRoot(), io.env),
      lock(path) {
        const owner = lockOwner(path);
        if (owner?.alive === true) {
          say(`Waiting for another set-up, process ${owner.pid} on ${owner.host}`);
        }
        return acquireLock(path, { timeoutMs: OTHER_SETUP_TIMEOUT_MS });
      },
    });
    if (flags['--quiet'] !== true) {
      io.stdout.write(`${interpreter.path}: Python ${interpreter.python}, torch ${interpreter.torch}\n`);
    }
    return EXIT.done;
  },
});

function variantFrom(flags: FlagValues): { variant?: Variant } {
  const given = flags['--torch'];
  if (given === undefined) return {};
  const variant = Variant.safeParse(given);
  if (variant.success) return { variant: variant.data };
  throw new UserError(
    'torch_unknown',
    `--torch: expected ${Variant.options.join(' or ')}, found "${String(given)}"`,
  );
}
