/** Finds the interpreter that runs the workers: the managed environment's, or one the user gave. */
import { execa } from 'execa';
import { z } from 'zod';
import { MachineError } from '../errors/errors.ts';
import { type Environment, environmentPaths, readEnvironment } from './environment.ts';
import { workerEnv } from './worker-env.ts';

export interface Interpreter {
  readonly path: string;
  readonly origin: 'managed' | 'given';
  readonly python: string;
  readonly torch: string;
  readonly torchvision: string;
  readonly numpy: string;
  /** Null where the interpreter has none: only a job that asks for it is refused. */
  readonly onnxruntime: string | null;
  readonly openvino: string | null;
}

/** Of the record of an environment, or of what an interpreter says. */
export function versionsOf(
  record: Omit<Interpreter, 'path' | 'origin'>,
): Omit<Interpreter, 'path' | 'origin'> {
  const { python, torch, torchvision, numpy, onnxruntime, openvino } = record;
  return { python, torch, torchvision, numpy, onnxruntime, openvino };
}

export interface FindRequest {
  readonly packageRoot: string;
  readonly env: NodeJS.ProcessEnv;
  /** Interpreter named by flag; CAPSTONE_PYTHON comes second. */
  readonly python?: string;
}

const NEEDED = [
  'torch',
  'torchvision',
  'numpy',
  'pillow',
  'scipy',
  'filelock',
  'fastjsonschema',
  'rfc8785',
] as const;
const RUNTIMES = ['onnxruntime', 'openvino'] as const;
const OLDEST_PYTHON = [3, 10] as const;
const TORCH = { oldest: [2, 2], newest: [2, 11] } as const;

/** Versions from the packages' metadata: importing torch would take seconds. */
const PROBE = `
import json, sys
from importlib import metadata
def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
print(json.dumps({"python": "%d.%d.%d" % sys.version_info[:3], **{name: version(name) for name in sys.argv[1:]}}))
`;
const NOT_STARTED: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
};
/** Of a first start from a cold network disk. */
const PROBE_TIMEOUT_MS = 60_000;
const Probed = z.record(z.string(), z.string().nullable());

export async function findInterpreter({ packageRoot, env, python }: FindRequest): Promise<Interpreter> {
  const given = python ?? env['CAPSTONE_PYTHON'];
  if (given !== undefined && given !== '') return probe(given, env);
  const paths = environmentPaths(packageRoot, env);
  const environment = readEnvironment(paths, packageRoot);
  if (environment.state !== 'ready') throw notReady(environment.state, paths.folder);
  return { path: paths.python, origin: 'managed', ...versionsOf(environment.record) };
}

function notReady(state: Exclude<Environment['state'], 'ready'>, folder: string): MachineError {
  const why = {
    absent: 'is not made yet',
    unfinished: 'is unfinished: its set-up is going on, or was interrupted',
    outdated: 'was installed from lock files that have changed since',
    broken: 'has lost its interpreter',
  }[state];
  return new MachineError('environment_not_ready', `the Python environment ${folder} ${why}`, [
    state === 'absent' ? 'Make it: capstone setup' : 'Mend it: capstone setup',
    'Or use an interpreter with torch 2.2 to 2.11: CAPSTONE_PYTHON=/path/to/python',
  ]);
}

const NAME_ANOTHER =
  'Name a Python interpreter with --python or CAPSTONE_PYTHON, or leave both out and run: capstone setup';

/** Asks an interpreter for its versions, where workers will run, and refuses one that could not run them. */
export async function probe(path: string, env: NodeJS.ProcessEnv): Promise<Interpreter> {
  const { stdout, failed, timedOut, code, exitCode } = await execa(
    path,
    ['-c', PROBE, ...NEEDED, ...RUNTIMES],
    { reject: false, env: workerEnv(env), extendEnv: false, timeout: PROBE_TIMEOUT_MS },
  );
  const unusable = (why: string) =>
    new MachineError('python_unusable', `${path} cannot be run: ${why}`, [NAME_ANOTHER]);
  if (timedOut) throw unusable(`it said nothing for ${PROBE_TIMEOUT_MS / 1000} s`);
  if (failed) {
    // The message of the failed call would hold the whole probe.
    throw unusable(code === undefined ? `it ended with exit code ${exitCode}` : (NOT_STARTED[code] ?? code));
  }
  const versions = versionsIn(stdout);
  if (versions === undefined) throw unusable('it does not answer as Python does');
  const missing = NEEDED.filter((name) => versions[name] === null);
  if (missing.length > 0) {
    throw new MachineError('python_lacks_packages', `${path} lacks ${missing.join(', ')}`, [
      `Install them there: ${path} -m pip install ${missing.join(' ')}`,
    ]);
  }
  const { python = '', torch = '', torchvision = '', numpy = '' } = versions as Record<string, string>;
  if (compare(python, OLDEST_PYTHON) < 0) {
    throw new MachineError(
      'python_too_old',
      `${path} is Python ${python}, and 3.10 is the oldest that works`,
      [NAME_ANOTHER],
    );
  }
  if (compare(torch, TORCH.oldest) < 0 || compare(torch, TORCH.newest) > 0) {
    throw new MachineError('torch_unsupported', `${path} has torch ${torch}, and 2.2 to 2.11 work`, [
      NAME_ANOTHER,
    ]);
  }
  const { onnxruntime = null, openvino = null } = versions;
  return { path, origin: 'given', python, torch, torchvision, numpy, onnxruntime, openvino };
}

/** The last line: what runs at the start of every Python may say something before. */
function versionsIn(stdout: string): Record<string, string | null> | undefined {
  try {
    return Probed.safeParse(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')).data;
  } catch {
    return undefined;
  }
}

/** What is written into the record of an environment that was just made. */
export async function readVersions(
  path: string,
  env: NodeJS.ProcessEnv,
): Promise<Record<string, string | null>> {
  const names = ['torch', 'torchvision', 'numpy', ...RUNTIMES];
  const { stdout } = await execa(path, ['-c', PROBE, ...names], { env: workerEnv(env), extendEnv: false });
  const versions = versionsIn(stdout);
  if (versions === undefined) throw new Error(`${path} told no versions: ${stdout}`);
  return versions;
}

function compare(version: string, bound: readonly [number, number]): number {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  return major - bound[0] || minor - bound[1];
}
