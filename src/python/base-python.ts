/** The interpreter from which the environment is made: found on PATH, or given. */
import { execa } from 'execa';
import { MachineError } from '../errors/errors.ts';
import { type LockFile, PYTHONS } from './lock-files.ts';

export interface BasePython {
  readonly path: string;
  /** `3.11.7` */
  readonly version: string;
}

export interface BaseRequest {
  readonly env: NodeJS.ProcessEnv;
  readonly os: NodeJS.Platform;
  /** Given by flag: this one or none. */
  readonly python?: string;
  readonly lockFile: LockFile;
  /** `3.11`: those for which the lock file has wheels. */
  readonly pinned: readonly string[];
}

const CANDIDATES = [...PYTHONS.map((version) => `python${version}`), 'python3', 'python'];

/** Prints the interpreter behind an environment: the environment itself may be the one that is about to go. */
const PROBE = `
import os, platform, sys
base = os.path.join(sys.base_prefix, "bin", "python%d.%d" % sys.version_info[:2])
print(base if sys.prefix != sys.base_prefix and os.path.exists(base) else sys.executable)
print(platform.python_version())`;

/** The first candidate that runs and that the lock file serves; a shim that is there may still not run. */
export async function findBasePython(request: BaseRequest): Promise<BasePython> {
  const { env, python, pinned } = request;
  const seen: string[] = [];
  for (const name of python === undefined ? CANDIDATES : [python]) {
    const found = await probe(name, env);
    if (found !== undefined && pinned.includes(minorOf(found.version))) return found;
    if (found !== undefined) seen.push(found.version);
  }
  throw missing([...new Set(seen)], request);
}

/** `3.11` of `3.11.7`. */
export function minorOf(version: string): string {
  return version.split('.').slice(0, 2).join('.');
}

async function probe(name: string, env: NodeJS.ProcessEnv): Promise<BasePython | undefined> {
  const { stdout, failed } = await execa(name, ['-c', PROBE], { reject: false, env, extendEnv: false });
  const [path = '', version = ''] = failed ? [] : stdout.split('\n');
  return /^\d+\.\d+\./.test(version) ? { path, version } : undefined;
}

function missing(seen: readonly string[], { os, python, lockFile, pinned }: BaseRequest): MachineError {
  const wanted = pinned
    .toReversed()
    .join(', ')
    .replace(/, ([^,]*)$/, ' or $1');
  if (python !== undefined) {
    const why = seen.length === 0 ? 'cannot be run' : `is Python ${seen.join(', ')}`;
    return new MachineError('python_unusable', `${python} ${why}, and ${lockFile} is for Python ${wanted}`, [
      'Name another interpreter with --python, or leave it out.',
    ]);
  }
  const found = seen.length === 0 ? '' : ` (only ${seen.join(', ')})`;
  return new MachineError(
    'python_missing',
    `no Python ${wanted} found${found}, for which ${lockFile} is made`,
    [
      `Install it, for example: ${installCommand(os, pinned)}`,
      'Or name an interpreter that is not on PATH: capstone setup --python /path/to/python',
      ...(lockFile === 'requirements-cpu.txt'
        ? ['Or take the full build of torch: capstone setup --torch default']
        : []),
    ],
  );
}

/** Distributions have one Python, whichever it is; only where that one does not serve is a version worth naming. */
function installCommand(os: NodeJS.Platform, pinned: readonly string[]): string {
  const [newest = ''] = pinned;
  if (os === 'darwin') return `brew install python@${newest}`;
  const name = pinned.length === PYTHONS.length ? 'python3' : `python${newest}`;
  return `apt-get install ${name} ${name}-venv`;
}
