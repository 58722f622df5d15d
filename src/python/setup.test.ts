/** Real environments from real installers, with wheels that hold a name and a version: torch takes 5 GB. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa, execaSync } from 'execa';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { drawError } from '../errors/draw.ts';
import { MachineError } from '../errors/errors.ts';
import { acquireLock } from '../store/lock.ts';
import { writeJson } from '../store/write.ts';
import { environmentPaths, readEnvironment } from './environment.ts';
import { findInterpreter } from './find.ts';
import { type SetupRequest, setup } from './setup.ts';

const REPOSITORY = resolve(import.meta.dirname, '..', '..');
const PYTHON = process.env['CAPSTONE_PYTHON'] ?? join(REPOSITORY, '.venv', 'bin', 'python');
const LINUX = { os: 'linux', arch: 'x64' } as const;
const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function temporary(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'capstone-setup-')));
  folders.push(folder);
  return folder;
}

/** A clone of the program, as far as setting up looks at one, and a PATH of its own. */
class Clone {
  readonly folder = temporary();
  readonly root = join(this.folder, 'clone');
  readonly bin = join(this.folder, 'bin');
  readonly wheels = join(this.folder, 'wheels');
  readonly said: string[] = [];

  constructor() {
    for (const made of [join(this.root, 'src'), this.bin, this.wheels]) mkdirSync(made, { recursive: true });
    writeFileSync(join(this.root, 'requirements.txt'), 'torch==2.2.2\ntorchvision==0.17.2\n');
  }

  get env(): NodeJS.ProcessEnv {
    return {
      PATH: this.bin,
      HOME: this.folder,
      UV_OFFLINE: '1',
      UV_FIND_LINKS: this.wheels,
      UV_CACHE_DIR: join(this.folder, 'cache'),
      PIP_NO_INDEX: '1',
    };
  }

  get paths() {
    return environmentPaths(this.root, this.env);
  }

  get environment() {
    return readEnvironment(this.paths, this.root);
  }

  /** Writes a lock file; the wheels it names are the only ones that can be had. */
  lock(file: string, ...requirements: string[]): void {
    rmSync(this.wheels, { recursive: true });
    mkdirSync(this.wheels);
    const script = join(REPOSITORY, 'test', 'fixtures', 'tiny_wheels.py');
    const { stdout } = execaSync(PYTHON, [script, this.wheels, ...requirements]);
    writeFileSync(join(this.root, file), `${stdout}\n`);
  }

  /** A program on PATH. */
  script(name: string, text: string): void {
    writeFileSync(join(this.bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(this.bin, name), 0o755);
  }

  /** An interpreter that says its version and cannot do anything else. */
  fakePython(name: string, version: string, otherwise = 'exit 1'): void {
    this.script(
      name,
      `[ "$1" = -c ] && echo "${this.bin}/${name}" && echo ${version} && exit 0\n${otherwise}`,
    );
  }

  setup(wanted: Partial<SetupRequest> = {}) {
    return setup({
      packageRoot: this.root,
      env: this.env,
      platform: LINUX,
      dev: false,
      report: (line) => this.said.push(line),
      lock: (path) => acquireLock(path, { timeoutMs: 1000 }),
      writeJson,
      tryOut: async (python) => {
        this.said.push(`tried ${python}`);
      },
      ...wanted,
    });
  }

  async refusal(wanted: Partial<SetupRequest> = {}): Promise<string> {
    const error = await this.setup(wanted).then(
      () => 'it was set up',
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ exitCode: 3 });
    return drawError(error).replaceAll(this.folder, '…');
  }
}

async function installed(python: string, name: string): Promise<string> {
  const { stdout } = await execa(python, [
    '-c',
    `from importlib.metadata import version; print(version("${name}"))`,
  ]);
  return stdout;
}

describe('a real environment', () => {
  const clone = new Clone();
  let version = '';

  beforeAll(() => {
    const base = execaSync(PYTHON, ['-c', 'import platform; print(platform.python_version())']);
    version = base.stdout;
    symlinkSync(realpathSync(PYTHON), join(clone.bin, `python${version.split('.').slice(0, 2).join('.')}`));
    const uv = join(REPOSITORY, '.venv', 'bin', 'uv');
    symlinkSync(existsSync(uv) ? uv : execaSync('which', ['uv']).stdout, join(clone.bin, 'uv'));
    clone.lock('requirements.txt', 'torch==2.2.2', 'torchvision==0.17.2', 'numpy==1.26.4');
  });

  test('is made, says what it does, and is left when it is ready', async () => {
    const made = await clone.setup();
    const versions = {
      python: version,
      torch: '2.2.2',
      torchvision: '0.17.2',
      numpy: '1.26.4',
      onnxruntime: null,
      openvino: null,
    };
    expect(made).toEqual({
      path: join(clone.root, '.venv', 'bin', 'python'),
      origin: 'managed',
      ...versions,
    });
    expect(clone.environment).toMatchObject({
      state: 'ready',
      record: { variant: 'default', lock_file: 'requirements.txt', dev: false, ...versions },
    });
    expect(clone.said.map((line) => line.replaceAll(clone.folder, '…'))).toEqual(
      expect.arrayContaining([
        expect.stringMatching(new RegExp(`^Python ${version} \\(.*\\) -> …/clone/\\.venv$`)),
        'Installing torch 2.2.2 and what the workers need: about 2 GB to download',
        '   + torch==2.2.2',
      ]),
    );
    expect(clone.said.slice(-3).map((line) => line.replaceAll(clone.folder, '…'))).toEqual([
      'Trying it out',
      'tried …/clone/.venv/bin/python',
      'Ready: …/clone/.venv',
    ]);
    clone.said.length = 0;
    expect(await clone.setup()).toEqual(made);
    expect(clone.said).toEqual([]);
    expect(await findInterpreter({ packageRoot: clone.root, env: clone.env })).toEqual(made);
  });

  test('that does not run is no environment, until it does', async () => {
    const broken = new MachineError('environment_unusable', 'libgomp.so.1 is missing', ['Install it']);
    const tryOut = () => Promise.reject(broken);
    rmSync(clone.paths.folder, { recursive: true });
    await expect(clone.setup({ tryOut })).rejects.toBe(broken);
    expect(clone.environment).toMatchObject({ state: 'unfinished', record: { state: 'installing' } });
    await clone.setup();
    expect(clone.environment).toMatchObject({ state: 'ready' });
    clone.said.length = 0;
  });

  test('that was interrupted is no environment, and is mended', async () => {
    const record = JSON.parse(readFileSync(clone.paths.record, 'utf8')) as object;
    writeJson(clone.paths.record, { ...record, state: 'installing' });
    await execa('uv', ['pip', 'uninstall', '--python', clone.paths.python, 'torch'], {
      env: clone.env,
      extendEnv: false,
    });
    await expect(findInterpreter({ packageRoot: clone.root, env: clone.env })).rejects.toMatchObject({
      message: `the Python environment ${clone.paths.folder} is unfinished: its set-up is going on, or was interrupted`,
      next: [
        'Mend it: capstone setup',
        'Or use an interpreter with torch 2.2 to 2.11: CAPSTONE_PYTHON=/path/to/python',
      ],
    });
    await clone.setup();
    expect(await installed(clone.paths.python, 'torch')).toBe('2.2.2');
    expect(clone.said).not.toContainEqual(expect.stringContaining('->'));
  });

  test('with the CPU build takes the place of the other one, and stays without a flag', async () => {
    clone.lock('requirements-cpu.txt', 'torch==2.2.2+cpu', 'torchvision==0.17.2+cpu', 'numpy==1.26.4');
    const made = await clone.setup({ variant: 'cpu' });
    expect(made.torch).toBe('2.2.2+cpu');
    expect(await installed(made.path, 'torchvision')).toBe('0.17.2+cpu');
    expect(clone.said).toContain(
      'Installing torch 2.2.2 (CPU build) and what the workers need: about 260 MB to download',
    );
    expect(await clone.setup()).toEqual(made);
    expect(existsSync(clone.paths.replaced)).toBe(false);
  });

  test('comes back when the one that should replace it cannot be made: a wrong hash', async () => {
    const lock = join(clone.root, 'requirements.txt');
    clone.lock('requirements.txt', 'torch==2.2.2', 'torchvision==0.17.2', 'numpy==1.26.4');
    const right = readFileSync(lock, 'utf8');
    const [found = ''] = right.match(/[0-9a-f]{64}/) ?? [];
    const wrong = '0'.repeat(64);
    writeFileSync(lock, right.replace(found, wrong));
    const refusal = await clone.refusal({ variant: 'default' });
    expect(refusal).toMatch(/^error: a package is not the file that the lock file names:\n/);
    expect(refusal).toMatch(
      new RegExp(`Hash mismatch[^]*Expected:\\s+sha256:${wrong}\\s+Computed:\\s+sha256:${found}`),
    );
    expect(refusal).toMatch(/ or without a mirror: capstone setup --torch default\n$/);
    expect(clone.environment).toMatchObject({ state: 'ready', record: { variant: 'cpu' } });
    expect(existsSync(clone.paths.replaced)).toBe(false);
  });

  test('comes back after a set-up that was killed while it replaced it', async () => {
    await execa('mv', [clone.paths.folder, clone.paths.replaced]);
    expect((await clone.setup()).torch).toBe('2.2.2+cpu');
  });

  test('is not made without a network, and says what to do', async () => {
    clone.lock('requirements-cpu.txt', 'torch==2.2.2+cpu', 'torchvision==0.17.2+cpu', 'scipy==1.17.1');
    rmSync(join(clone.wheels, 'scipy-1.17.1-py3-none-any.whl'));
    expect(clone.environment.state).toBe('outdated');
    const refusal = await clone.refusal();
    expect(refusal).toMatch(/^error: the packages could not be downloaded:\n/);
    expect(refusal).toMatch(
      /, where there is a proxy\), then run again: capstone setup\n {2}What was downloaded is kept.\n$/,
    );
    expect(clone.environment).toMatchObject({ state: 'unfinished', record: { variant: 'cpu' } });
  });
});

describe('is refused with what to do next', () => {
  test('where there is no Python', async () => {
    expect(await new Clone().refusal()).toBe(
      'error: no Python 3.10, 3.11 or 3.12 found, for which requirements.txt is made\n' +
        '  Install it, for example: apt-get install python3 python3-venv\n' +
        '  Or name an interpreter that is not on PATH: capstone setup --python /path/to/python\n',
    );
  });

  test('where Pythons are too old, too new, or do not run', async () => {
    const clone = new Clone();
    clone.fakePython('python3', '3.13.1');
    clone.fakePython('python', '2.7.18');
    clone.script('python3.12', 'echo "python3.12: command not found" >&2; exit 127');
    expect(await clone.refusal({ platform: { os: 'darwin', arch: 'arm64' } })).toBe(
      'error: no Python 3.10, 3.11 or 3.12 found (only 3.13.1, 2.7.18), for which requirements.txt is made\n' +
        '  Install it, for example: brew install python@3.12\n' +
        '  Or name an interpreter that is not on PATH: capstone setup --python /path/to/python\n',
    );
  });

  test('where the one that was named does not serve', async () => {
    const clone = new Clone();
    clone.fakePython('old', '3.9.2');
    expect(await clone.refusal({ python: join(clone.bin, 'old') })).toBe(
      'error: …/bin/old is Python 3.9.2, and requirements.txt is for Python 3.10, 3.11 or 3.12\n' +
        '  Name another interpreter with --python, or leave it out.\n',
    );
    expect(await clone.refusal({ python: join(clone.bin, 'none') })).toBe(
      'error: …/bin/none cannot be run, and requirements.txt is for Python 3.10, 3.11 or 3.12\n' +
        '  Name another interpreter with --python, or leave it out.\n',
    );
  });

  test('where the package that makes environments is missing', async () => {
    const clone = new Clone();
    clone.fakePython(
      'python3.11',
      '3.11.2',
      'mkdir "$3"; echo "The virtual environment was not created because ensurepip is not available."; exit 1',
    );
    clone.script('mkdir', '/bin/mkdir "$@"');
    expect(await clone.refusal()).toBe(
      'error: …/bin/python3.11 cannot make environments: its package python3.11-venv is missing\n' +
        '  Install it, for example: apt-get install python3.11-venv\n',
    );
    expect(existsSync(clone.paths.folder)).toBe(false);
  });

  test('where the lock file of the CPU build does not serve the Python that is there', async () => {
    const clone = new Clone();
    clone.fakePython('python3.11', '3.11.2');
    writeFileSync(
      join(clone.root, 'requirements-cpu.txt'),
      "torch==2.2.2+cpu ; python_version == '3.10'\ntorchvision==0.17.2+cpu ; python_version == '3.10'\n",
    );
    expect(await clone.refusal({ variant: 'cpu' })).toBe(
      'error: no Python 3.10 found (only 3.11.2), for which requirements-cpu.txt is made\n' +
        '  Install it, for example: apt-get install python3.10 python3.10-venv\n' +
        '  Or name an interpreter that is not on PATH: capstone setup --python /path/to/python\n' +
        '  Or take the full build of torch: capstone setup --torch default\n',
    );
    writeFileSync(join(clone.root, 'requirements-cpu.txt'), 'torch==2.2.2+cpu\n');
    expect(await clone.refusal({ variant: 'cpu' })).toBe(
      'error: requirements-cpu.txt holds no checked hashes of the CPU builds yet, and nothing is installed unchecked\n' +
        '  Take the full build of torch: capstone setup --torch default\n' +
        '  Or use an interpreter that has the CPU builds: CAPSTONE_PYTHON=/path/to/python\n',
    );
  });

  test('where the folder for the environment cannot be written', async () => {
    const clone = new Clone();
    rmSync(join(clone.root, 'src'), { recursive: true });
    const home = join(clone.folder, 'file');
    writeFileSync(home, '');
    const env = { ...clone.env, XDG_DATA_HOME: home };
    const { lock } = environmentPaths(clone.root, env);
    expect(await clone.refusal({ env })).toBe(
      `error: ${lock.replaceAll(clone.folder, '…')} cannot be written: a file is where a folder is needed\n` +
        '  Name a folder that can be written to: XDG_DATA_HOME=/path/to/folder capstone setup\n' +
        '  Or use an interpreter that has torch: CAPSTONE_PYTHON=/path/to/python\n',
    );
  });
});
