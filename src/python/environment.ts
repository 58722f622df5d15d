/** Where the managed environment lies, and the record in it that says what became of its set-up. */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { LockFile, lockDigest, Variant } from './lock-files.ts';

const Wanted = z.object({
  version: z.literal(1),
  // Records of 0.1.0 name neither of the two.
  variant: Variant.default('default'),
  lock_file: LockFile.default('requirements.txt'),
  /** Whether what the checks and tests need is in it too. */
  dev: z.boolean(),
});

/** `.capstone.json` in the environment, rewritten last: until then a set-up is going on, or was interrupted. */
export const EnvironmentRecord = Wanted.extend({
  state: z.literal('ready'),
  /** Of the lock file as it was installed. */
  digest: z.string(),
  python: z.string(),
  torch: z.string(),
  torchvision: z.string(),
  numpy: z.string(),
  // Records of 0.1.0 name neither: their environments are outdated anyway.
  onnxruntime: z.string().nullable().default(null),
  openvino: z.string().nullable().default(null),
});
export type EnvironmentRecord = z.infer<typeof EnvironmentRecord>;

export const InstallingRecord = Wanted.extend({ state: z.literal('installing') });
export type InstallingRecord = z.infer<typeof InstallingRecord>;

const AnyRecord = z.discriminatedUnion('state', [EnvironmentRecord, InstallingRecord]);

export interface EnvironmentPaths {
  readonly folder: string;
  readonly python: string;
  readonly record: string;
  readonly lock: string;
  /** Where the environment waits while one of the other variant is made in its place. */
  readonly replaced: string;
}

/** What is there. Every state but `ready` is mended by `capstone setup`. */
export type Environment =
  | { readonly state: 'ready'; readonly record: EnvironmentRecord }
  /** Installed from lock files that have changed since. */
  | { readonly state: 'outdated'; readonly record: EnvironmentRecord }
  /** Its interpreter is gone: a link to a Python that was removed. */
  | { readonly state: 'broken'; readonly record: EnvironmentRecord }
  /** A set-up is going on, or was interrupted. */
  | { readonly state: 'unfinished'; readonly record: InstallingRecord }
  | { readonly state: 'absent'; readonly record?: undefined };

/** Beside the program in a clone; in the user's data folder where the program's own is not to be written to. */
export function environmentPaths(packageRoot: string, env: NodeJS.ProcessEnv): EnvironmentPaths {
  const folder = isClone(packageRoot)
    ? join(packageRoot, '.venv')
    : join(dataHome(env), 'capstone', `env-${lockDigest(packageRoot, 'requirements.txt').slice(0, 16)}`);
  return {
    folder,
    python: join(folder, 'bin', 'python'),
    record: join(folder, '.capstone.json'),
    lock: `${folder}.lock`,
    replaced: `${folder}.replaced`,
  };
}

export function readEnvironment(paths: EnvironmentPaths, packageRoot: string): Environment {
  const record = readRecord(paths.record);
  if (record === undefined) return { state: 'absent' };
  if (record.state === 'installing') return { state: 'unfinished', record };
  if (!existsSync(paths.python)) return { state: 'broken', record };
  const current = record.digest === lockDigest(packageRoot, record.lock_file, record.dev);
  return { state: current ? 'ready' : 'outdated', record };
}

function readRecord(path: string): EnvironmentRecord | InstallingRecord | undefined {
  try {
    return AnyRecord.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return undefined; // none, or a foreign one: set up again
  }
}

/** A variable that is no absolute path is ignored, as the XDG specification asks. */
function dataHome(env: NodeJS.ProcessEnv): string {
  const given = env['XDG_DATA_HOME'] ?? '';
  return isAbsolute(given) ? given : join(env['HOME'] || homedir(), '.local', 'share');
}

function isClone(packageRoot: string): boolean {
  try {
    accessSync(packageRoot, constants.W_OK);
    return existsSync(join(packageRoot, 'src'));
  } catch {
    return false;
  }
}
