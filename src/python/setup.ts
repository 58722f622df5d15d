/**
 * Makes the managed environment from a lock file. A set-up that was interrupted is mended by the next one: the
 * record says `installing` until everything is in, and of which variant it was to be.
 */
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { MachineError, UserError } from '../errors/errors.ts';
import { formatBytes } from '../units.ts';
import { findBasePython, minorOf } from './base-python.ts';
import { freeBytes } from './disk-room.ts';
import {
  type Environment,
  type EnvironmentPaths,
  EnvironmentRecord,
  environmentPaths,
  type InstallingRecord,
  readEnvironment,
} from './environment.ts';
import { type Interpreter, readVersions, versionsOf } from './find.ts';
import { hasUv, installPackages } from './install-packages.ts';
import {
  ENVIRONMENT_BYTES,
  hasCudaBuild,
  type LockFile,
  lockDigest,
  lockFileFor,
  type Platform,
  pinnedPythons,
  type Variant,
} from './lock-files.ts';
import { makeVenv } from './make-venv.ts';

export interface SetupRequest {
  readonly packageRoot: string;
  readonly env: NodeJS.ProcessEnv;
  readonly platform: Platform;
  /** Also what the checks and tests need. */
  readonly dev: boolean;
  /** Without one: the variant that is there, else the default. */
  readonly variant?: Variant;
  /** The interpreter to make the environment from, instead of the first on PATH that serves. */
  readonly python?: string;
  report(line: string): void;
  /** Takes the lock that keeps two set-ups from each other. */
  lock(path: string): Promise<{ release(): Promise<void> }>;
  /** Writes a file whole or not at all. */
  writeJson(path: string, value: unknown): void;
  /** Starts the workers once: what cannot be imported is known now, and Python has compiled what they import. */
  tryOut(python: string): Promise<void>;
}

const DOWNLOADS = { cuda: 'about 2 GB', cpu: 'about 260 MB' } as const;

export async function setup(request: SetupRequest): Promise<Interpreter> {
  const paths = environmentPaths(request.packageRoot, request.env);
  const lock = await lockWritable(request, paths.lock);
  try {
    bringBack(paths);
    const there = readEnvironment(paths, request.packageRoot);
    const wanted = wantedFrom(request, there);
    const ready =
      there.state === 'ready' &&
      there.record.lock_file === wanted.lock_file &&
      there.record.dev === wanted.dev;
    if (ready && request.python !== undefined) {
      request.report(
        `${paths.folder} is ready, with Python ${there.record.python}; --python says what a new one is made with: ` +
          'remove the folder first to make it anew',
      );
    }
    const record = ready ? there.record : await make(request, paths, there, wanted);
    return { path: paths.python, origin: 'managed', ...versionsOf(record) };
  } finally {
    await lock.release();
  }
}

/** What is asked for, on top of what is there or was being made. */
function wantedFrom(request: SetupRequest, { record }: Environment): InstallingRecord {
  const variant = request.variant ?? record?.variant ?? 'default';
  return {
    version: 1,
    state: 'installing',
    variant,
    lock_file: lockFileFor(variant, request.platform),
    dev: request.dev || (record?.dev ?? false),
  };
}

async function make(
  request: SetupRequest,
  paths: EnvironmentPaths,
  there: Environment,
  wanted: InstallingRecord,
): Promise<EnvironmentRecord> {
  const pinned = pinnedPythons(readFileSync(join(request.packageRoot, wanted.lock_file), 'utf8'));
  if (pinned.length === 0) throw nothingPinned(wanted.lock_file);
  // Of two builds in one folder, gigabytes of the first would stay.
  const keeps = (there.record ?? wanted).lock_file === wanted.lock_file;
  const withPip = !(await hasUv(wanted.lock_file, request.env));
  if (keeps && (await isUsable(paths.python, { pinned, withPip, env: request.env }))) {
    return fill(request, paths, wanted);
  }
  const base = await findBasePython({
    env: request.env,
    os: request.platform.os,
    lockFile: wanted.lock_file,
    pinned,
    ...(request.python === undefined ? {} : { python: request.python }),
  });
  refuseWithoutRoom(paths.folder, ENVIRONMENT_BYTES[kindOf(wanted, request.platform)]);
  request.report(`Python ${base.version} (${base.path}) -> ${paths.folder}`);
  return replacing(paths, there, async () => {
    request.writeJson(paths.record, wanted);
    await makeVenv({
      base,
      folder: paths.folder,
      withPip,
      env: request.env,
      command: again(request),
    });
    return fill(request, paths, wanted);
  });
}

/** Of a set-up that was killed while it replaced an environment: back in its place, or gone with the new one there. */
function bringBack({ folder, replaced }: EnvironmentPaths): void {
  if (existsSync(replaced) && !existsSync(folder)) renameSync(replaced, folder);
  rmSync(replaced, { recursive: true, force: true });
}

/** A ready environment waits beside the new one and comes back where that fails. */
async function replacing<T>(paths: EnvironmentPaths, there: Environment, act: () => Promise<T>): Promise<T> {
  if (there.state === 'ready') renameSync(paths.folder, paths.replaced);
  else rmSync(paths.folder, { recursive: true, force: true });
  try {
    const made = await act();
    rmSync(paths.replaced, { recursive: true, force: true });
    return made;
  } catch (error) {
    if (existsSync(paths.replaced)) {
      rmSync(paths.folder, { recursive: true, force: true });
      renameSync(paths.replaced, paths.folder);
    }
    throw error;
  }
}

async function fill(
  request: SetupRequest,
  paths: EnvironmentPaths,
  wanted: InstallingRecord,
): Promise<EnvironmentRecord> {
  const { packageRoot, env, report } = request;
  request.writeJson(paths.record, wanted);
  const build = wanted.lock_file === 'requirements-cpu.txt' ? ' (CPU build)' : '';
  report(
    `Installing torch 2.2.2${build} and what the workers need: ${DOWNLOADS[kindOf(wanted, request.platform)]} to download`,
  );
  await installPackages({
    packageRoot,
    folder: paths.folder,
    python: paths.python,
    lockFile: wanted.lock_file,
    dev: wanted.dev,
    env,
    report,
    command: again(request),
  });
  report('Trying it out');
  await request.tryOut(paths.python);
  const record = EnvironmentRecord.parse({
    ...wanted,
    state: 'ready',
    digest: lockDigest(packageRoot, wanted.lock_file, wanted.dev),
    ...(await readVersions(paths.python, env)),
  });
  request.writeJson(paths.record, record);
  report(`Ready: ${paths.folder}`);
  return record;
}

/** Whether packages can be installed into what is there: it runs, has pip, and the lock file serves its Python. */
async function isUsable(
  python: string,
  { pinned, withPip, env }: { pinned: readonly string[]; withPip: boolean; env: NodeJS.ProcessEnv },
): Promise<boolean> {
  if (!existsSync(python)) return false;
  const options = { reject: false, env, extendEnv: false } as const;
  const { stdout } = await execa(
    python,
    ['-c', 'import platform; print(platform.python_version())'],
    options,
  );
  if (!pinned.includes(minorOf(stdout ?? ''))) return false;
  return !withPip || !(await execa(python, ['-m', 'pip', '--version'], options)).failed;
}

function kindOf({ lock_file }: InstallingRecord, platform: Platform): keyof typeof ENVIRONMENT_BYTES {
  return hasCudaBuild(platform) && lock_file === 'requirements.txt' ? 'cuda' : 'cpu';
}

function refuseWithoutRoom(folder: string, needed: number): void {
  const free = freeBytes(folder);
  if (free >= needed) return;
  throw new MachineError(
    'disk_full',
    `${folder} needs ${formatBytes(needed)}, and its disk has ${formatBytes(free)} left`,
    ['Free some space, then run again: capstone setup'],
  );
}

function nothingPinned(file: LockFile): MachineError {
  return new MachineError(
    'torch_not_pinned',
    `${file} holds no checked hashes of the CPU builds yet, and nothing is installed unchecked`,
    [
      'Take the full build of torch: capstone setup --torch default',
      'Or use an interpreter that has the CPU builds: CAPSTONE_PYTHON=/path/to/python',
    ],
  );
}

/** The same command line, to run again. */
function again({ variant, dev, python }: SetupRequest): string {
  return [
    'capstone setup',
    ...(variant === undefined ? [] : [`--torch ${variant}`]),
    ...(dev ? ['--dev'] : []),
    ...(python === undefined ? [] : [`--python ${python}`]),
  ].join(' ');
}

/** Where the lock cannot be written, nothing else can; that is the machine's fault, not the command line's. */
async function lockWritable(request: SetupRequest, path: string): Promise<{ release(): Promise<void> }> {
  try {
    return await request.lock(path);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new MachineError('environment_not_writable', error.message, [
      'Name a folder that can be written to: XDG_DATA_HOME=/path/to/folder capstone setup',
      'Or use an interpreter that has torch: CAPSTONE_PYTHON=/path/to/python',
    ]);
  }
}
