/** Fills an environment from lock files: with uv where it can be had, else with pip. */
import { join } from 'node:path';
import { execa } from 'execa';
import { MachineError } from '../errors/errors.ts';
import { formatDuration } from '../units.ts';
import { installFailure } from './install-failure.ts';
import { DEV_LOCK_FILE, type LockFile, UV_LOCK_FILE } from './lock-files.ts';

export interface InstallRequest {
  readonly packageRoot: string;
  /** Of the environment. */
  readonly folder: string;
  readonly python: string;
  readonly lockFile: LockFile;
  readonly dev: boolean;
  readonly env: NodeJS.ProcessEnv;
  /** What to run again after a failure. */
  readonly command: string;
  report(line: string): void;
}

/** An installer is silent while it downloads 700 MB: now and then a sign of life. */
const SILENCE_MS = 15_000;

export async function installPackages(request: InstallRequest): Promise<void> {
  const { packageRoot, python, lockFile, dev } = request;
  const files = [lockFile, ...(dev ? [DEV_LOCK_FILE] : [])];
  const requirements = ['--require-hashes', ...files.flatMap((file) => ['-r', join(packageRoot, file)])];
  const backend = backendFlags(lockFile);
  const uv = await findUv(request, backend);
  if (uv !== undefined) {
    await runInstaller(uv, ['pip', 'install', '--python', python, ...backend, ...requirements], request);
    return;
  }
  if (backend.length > 0) {
    throw new MachineError('uv_missing', 'the CPU build of torch needs uv, which cannot be had', [
      `Check the network, or install uv 0.13.9 yourself, then run again: ${request.command}`,
      'Or take the full build of torch, which pip installs as well: capstone setup --torch default',
    ]);
  }
  request.report('uv cannot be had; pip installs instead, which takes longer');
  await runInstaller(python, [...PIP_INSTALL, ...requirements], request);
}

/** Whether uv is on PATH: the environment then needs no pip. */
export function hasUv(lockFile: LockFile, env: NodeJS.ProcessEnv): Promise<boolean> {
  return canInstall('uv', backendFlags(lockFile), env);
}

/** Only uv knows where the CPU builds are; pip would have to be told an address. */
function backendFlags(lockFile: LockFile): string[] {
  return lockFile === 'requirements-cpu.txt' ? ['--torch-backend', 'cpu'] : [];
}

const PIP_INSTALL = ['-m', 'pip', 'install', '--disable-pip-version-check'];

/** uv from PATH, else put into the environment; undefined where it cannot be had. */
async function findUv(
  { packageRoot, folder, python, env }: InstallRequest,
  flags: readonly string[],
): Promise<string | undefined> {
  const inside = join(folder, 'bin', 'uv');
  for (const uv of ['uv', inside]) if (await canInstall(uv, flags, env)) return uv;
  const lock = join(packageRoot, UV_LOCK_FILE);
  const installed = await execa(python, [...PIP_INSTALL, '--quiet', '--require-hashes', '-r', lock], {
    reject: false,
    env,
    extendEnv: false,
  });
  return installed.failed ? undefined : inside;
}

/** Whether there is such a uv, and it is new enough to know the flags. */
async function canInstall(uv: string, flags: readonly string[], env: NodeJS.ProcessEnv): Promise<boolean> {
  const help = await execa(uv, ['pip', 'install', ...flags, '--help'], {
    reject: false,
    env,
    extendEnv: false,
  });
  return !help.failed;
}

/** Its lines are shown as they come. */
async function runInstaller(
  command: string,
  args: readonly string[],
  { env, report, folder, command: again }: InstallRequest,
): Promise<void> {
  const started = performance.now();
  let spoke = started;
  const timer = setInterval(() => {
    if (performance.now() - spoke < SILENCE_MS) return;
    spoke = performance.now();
    report(`  still installing, ${formatDuration((spoke - started) / 1000)}`);
  }, 1000);
  try {
    const installer = execa(command, args, {
      reject: false,
      env,
      extendEnv: false,
      all: true,
      stdin: 'ignore',
    });
    for await (const line of installer.iterable({ from: 'all' })) {
      spoke = performance.now();
      report(`  ${line}`);
    }
    const { failed, all } = await installer;
    if (failed) throw installFailure(all, folder, again);
  } finally {
    clearInterval(timer);
  }
}
