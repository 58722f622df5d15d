import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXIT, MachineError, UserError } from '../errors/errors.ts';
import { Variant } from '../python/lock-files.ts';
import { packageRoot } from '../python/package-root.ts';
import { setup } from '../python/setup.ts';
import { acquireLock, lockOwner } from '../store/lock.ts';
import { writeJson } from '../store/write.ts';
import { WorkerHost } from '../worker/host.ts';
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
        'cpu: the CPU build of torch, 260 MB to download instead of 2 GB on Linux x86-64 (elsewhere there is no ' +
        'other); without this flag the build that is there stays.',
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
      tryOut: (python) => startWorkersOnce(python, io.env),
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

/** With bytecode written whatever the environment says of it: each later start takes 2 s instead of 6. */
async function startWorkersOnce(
  python: string,
  { PYTHONDONTWRITEBYTECODE: _, ...env }: NodeJS.ProcessEnv,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'capstone-setup-'));
  const host = new WorkerHost({
    python,
    packageRoot: packageRoot(),
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
