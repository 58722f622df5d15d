/**
 * Makes the managed environment from the lock file. The record is written last, so that a set-up that was
 * interrupted is mended by the next one.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { MachineError } from '../errors/errors.ts';
import {
  type EnvironmentPaths,
  EnvironmentRecord,
  environmentPaths,
  readEnvironmentRecord,
} from './environment.ts';
import type { Interpreter } from './find.ts';

export interface SetupRequest {
  readonly packageRoot: string;
  readonly env: NodeJS.ProcessEnv;
  /** Also what the checks and tests need. */
  readonly dev: boolean;
  report(line: string): void;
  /** Takes the lock that keeps two set-ups from each other. */
  lock(path: string): Promise<{ release(): Promise<void> }>;
  /** Writes a file whole or not at all. */
  writeJson(path: string, value: unknown): void;
}

/** Newest first: torch 2.2.2 has wheels for none newer, and capstone is written for none older. */
const CANDIDATES = ['python3.12', 'python3.11', 'python3.10', 'python3', 'python'] as const;
const SUPPORTED = /^3\.(10|11|12)\./;
/** Installs torch in 20 s where pip takes 80. */
const UV = 'uv==0.13.9';
const ERROR_LINES = 15;

export async function setup(request: SetupRequest): Promise<Interpreter> {
  const paths = environmentPaths(request.packageRoot, request.env);
  const lock = await request.lock(paths.lock);
  try {
    const ready = readEnvironmentRecord(paths);
    const record = ready !== undefined && (ready.dev || !request.dev) ? ready : await install(request, paths);
    const { python, torch, torchvision, numpy } = record;
    return { path: paths.python, origin: 'managed', python, torch, torchvision, numpy };
  } finally {
    await lock.release();
  }
}

async function install(request: SetupRequest, paths: EnvironmentPaths): Promise<EnvironmentRecord> {
  const { packageRoot, report } = request;
  rmSync(paths.record, { force: true });
  const run = runner(request);
  if (!(await runs(paths.python, request.env))) {
    rmSync(paths.folder, { recursive: true, force: true });
    const base = await findBase(request);
    report(`Python ${base.version} (${base.path}) -> ${paths.folder}`);
    await makeFolder(base.path, paths, request);
  }
  const files = [
    join(packageRoot, 'requirements.txt'),
    ...(request.dev ? [join(packageRoot, 'requirements-dev.txt')] : []),
  ];
  const requirements = files.flatMap((file) => ['-r', file]);
  const uv = await findUv(paths, request);
  report('Installing torch 2.2.2 and what the workers need (about 2 GB to download, 5 GB on disk with CUDA)');
  if (uv !== undefined) {
    await run(uv, ['pip', 'install', '--python', paths.python, '--require-hashes', ...requirements]);
  } else {
    await run(paths.python, [
      '-m',
      'pip',
      'install',
      '--disable-pip-version-check',
      '--require-hashes',
      ...requirements,
    ]);
  }
  const record = await describe(paths, request);
  request.writeJson(paths.record, record);
  report(`Ready: ${paths.folder}`);
  return record;
}

/** The first candidate that runs and is of a version that works; a shim that is there may still not run. */
async function findBase({ env }: SetupRequest): Promise<{ path: string; version: string }> {
  const seen: string[] = [];
  for (const name of CANDIDATES) {
    const { stdout, failed } = await execa(
      name,
      ['-c', 'import platform, sys; print(sys.executable); print(platform.python_version())'],
      { reject: false, env, extendEnv: false },
    );
    const [path = '', version = ''] = failed ? [] : stdout.split('\n');
    if (SUPPORTED.test(version)) return { path, version };
    if (version !== '') seen.push(version);
  }
  throw new MachineError(
    'python_missing',
    `no Python 3.10, 3.11 or 3.12 found${seen.length === 0 ? '' : ` (only ${[...new Set(seen)].join(', ')})`}`,
    ['Install one of them, for example: apt-get install python3 python3-venv'],
  );
}

async function makeFolder(python: string, paths: EnvironmentPaths, { env }: SetupRequest): Promise<void> {
  const { failed, stdout, stderr } = await execa(python, ['-m', 'venv', paths.folder], {
    reject: false,
    env,
    extendEnv: false,
  });
  if (!failed) return;
  rmSync(paths.folder, { recursive: true, force: true });
  if (/ensurepip|No module named venv/.test(stdout + stderr)) {
    throw new MachineError(
      'venv_missing',
      `${python} cannot make environments: its venv package is missing`,
      ['Install it, for example: apt-get install python3-venv'],
    );
  }
  throw new MachineError(
    'venv_failed',
    `${python} -m venv ${paths.folder} failed:\n${lastLines(stdout, stderr)}`,
  );
}

/** uv from PATH, else put into the environment; undefined where it cannot be had, and pip does the work. */
async function findUv(paths: EnvironmentPaths, request: SetupRequest): Promise<string | undefined> {
  if (await runs('uv', request.env)) return 'uv';
  const inside = join(paths.folder, 'bin', 'uv');
  if (await runs(inside, request.env)) return inside;
  const { failed } = await execa(
    paths.python,
    ['-m', 'pip', 'install', '--disable-pip-version-check', '--quiet', UV],
    { reject: false, env: request.env, extendEnv: false },
  );
  if (!failed) return inside;
  request.report('uv cannot be had; pip installs instead, which takes longer');
  return undefined;
}

async function describe(paths: EnvironmentPaths, request: SetupRequest): Promise<EnvironmentRecord> {
  const probe = `
import json, platform
from importlib.metadata import version
print(json.dumps({"python": platform.python_version(), **{n: version(n) for n in ("torch", "torchvision", "numpy")}}))`;
  const { stdout } = await execa(paths.python, ['-c', probe]);
  return EnvironmentRecord.parse({
    version: 1,
    state: 'ready',
    digest: paths.digest,
    dev: request.dev,
    ...JSON.parse(stdout),
  });
}

async function runs(command: string, env: NodeJS.ProcessEnv): Promise<boolean> {
  return !(await execa(command, ['--version'], { reject: false, env, extendEnv: false })).failed;
}

/** Runs an installer, its lines shown as they come. */
function runner({ env, report }: SetupRequest) {
  return async (command: string, args: readonly string[]): Promise<void> => {
    const process = execa(command, args, {
      reject: false,
      env,
      extendEnv: false,
      all: true,
      stdin: 'ignore',
    });
    for await (const line of process.iterable({ from: 'all' })) report(`  ${line}`);
    const { failed, all } = await process;
    if (!failed) return;
    throw new MachineError('install_failed', `the packages could not be installed:\n${lastLines(all)}`, [
      'Check the network and the room on the disk, then run again: capstone setup',
    ]);
  };
}

function lastLines(...texts: string[]): string {
  return texts.join('\n').trim().split('\n').slice(-ERROR_LINES).join('\n');
}
