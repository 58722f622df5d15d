/** A temporary workspace and the real program in it, steered by a test. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { afterAll } from 'vitest';
import { makeDataset } from './dataset.ts';
import { CLI, PACKAGE_ROOT, PYTHON } from './package.ts';

export { until } from './until.ts';
export { CLI, PACKAGE_ROOT, PYTHON };

/** A folder that is gone after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'capstone-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Seconds of training: enough for every part of a sweep to be real, too little to learn much. */
export const SMALL_SWEEP = {
  version: 1,
  kind: 'sweep',
  name: 'small',
  levels: [1, 3],
  train: { epochs: 2, batch_size: 64, max_train_samples: 256 },
  benchmark: { max_eval_samples: 100, batch_sizes: [1, 8] },
};

export class Workspace {
  readonly folder = temporaryFolder();
  readonly #cache: string;

  constructor(cache: string) {
    this.#cache = cache;
  }

  get env(): NodeJS.ProcessEnv {
    return { ...process.env, XDG_CACHE_HOME: this.#cache, NO_COLOR: '1', FORCE_COLOR: undefined };
  }

  /** The default data set with few test images: an epoch takes a second, and most of it is training. */
  makeSmallDataset(): this {
    const classes = Array.from({ length: 10 }, (_, index) => `class ${index}`);
    makeDataset(this.path('data', 'fashion_mnist_mini'), classes, { train: 104, test: 10 });
    return this;
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  write(name: string, value: unknown): string {
    const isText = typeof value === 'string' || Buffer.isBuffer(value);
    writeFileSync(this.path(name), isText ? value : JSON.stringify(value));
    return this.path(name);
  }

  has(name: string): boolean {
    return existsSync(this.path(name));
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8');
  }

  /** The program as a process of its own, not yet waited for. */
  start(...args: string[]) {
    return execa(process.execPath, [CLI, ...args], {
      cwd: this.folder,
      env: this.env,
      extendEnv: false,
      reject: false,
    });
  }

  script(name: string, ...args: string[]) {
    return execa(PYTHON, [join(PACKAGE_ROOT, 'py', `${name}.py`), ...args], {
      cwd: this.folder,
      env: this.env,
      extendEnv: false,
      reject: false,
    });
  }

  /** Ids of the runs, oldest first. */
  runs(): string[] {
    return readdirSync(this.path('runs')).sort();
  }

  events(run = this.runs().at(-1) ?? ''): Record<string, unknown>[] {
    return this.read(join('runs', run, 'events.ndjson'))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}

/** The events of a run that goes on (`--json`), as they come. */
export function follow(program: ReturnType<Workspace['start']>): Record<string, unknown>[] {
  const seen: Record<string, unknown>[] = [];
  let rest = '';
  program.stdout.on('data', (chunk: Buffer) => {
    const lines = `${rest}${chunk.toString()}`.split('\n');
    rest = lines.pop() ?? '';
    seen.push(...lines.map((line) => JSON.parse(line) as Record<string, unknown>));
  });
  return seen;
}

/** Whether a process is still there and not only waiting to be reaped. */
export function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
