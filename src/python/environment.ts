/** Where the managed environment lies and the record that says it is ready. */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { sha256 } from '../digest.ts';

/** `.capstone.json` in the environment, written last: an environment without it is not ready. */
export const EnvironmentRecord = z.object({
  version: z.literal(1),
  state: z.literal('ready'),
  /** Of the lock files it was installed from. */
  digest: z.string(),
  /** Whether what the checks and tests need is in it too. */
  dev: z.boolean(),
  python: z.string(),
  torch: z.string(),
  torchvision: z.string(),
  numpy: z.string(),
});
export type EnvironmentRecord = z.infer<typeof EnvironmentRecord>;

export interface EnvironmentPaths {
  readonly folder: string;
  readonly python: string;
  readonly record: string;
  readonly lock: string;
  readonly digest: string;
}

/** Beside the program in a clone; in the user's data folder where the program's own is not to be written to. */
export function environmentPaths(packageRoot: string, env: NodeJS.ProcessEnv): EnvironmentPaths {
  const digest = lockDigest(packageRoot);
  const folder = isClone(packageRoot)
    ? join(packageRoot, '.venv')
    : join(
        env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share'),
        'capstone',
        `env-${digest.slice(0, 16)}`,
      );
  return {
    folder,
    python: join(folder, 'bin', 'python'),
    record: join(folder, '.capstone.json'),
    lock: `${folder}.lock`,
    digest,
  };
}

/** The record, where the environment is ready and was installed from the lock files of now. */
export function readEnvironmentRecord(paths: EnvironmentPaths): EnvironmentRecord | undefined {
  if (!existsSync(paths.record) || !existsSync(paths.python)) return undefined;
  try {
    const record = EnvironmentRecord.parse(JSON.parse(readFileSync(paths.record, 'utf8')));
    return record.digest === paths.digest ? record : undefined;
  } catch {
    return undefined; // half-written or foreign: set up again
  }
}

function lockDigest(packageRoot: string): string {
  return sha256(readFileSync(join(packageRoot, 'requirements.txt')));
}

function isClone(packageRoot: string): boolean {
  try {
    accessSync(packageRoot, constants.W_OK);
    return existsSync(join(packageRoot, 'src'));
  } catch {
    return false;
  }
}
