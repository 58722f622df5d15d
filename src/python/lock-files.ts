/**
 * Which lock files an environment is installed from. There are two builds of torch: the one the package index
 * gives (on Linux x86-64 with CUDA, 5 GB), and the CPU build, which elsewhere is the only one there is.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { sha256 } from '../digest.ts';

export const Variant = z.enum(['default', 'cpu']);
export type Variant = z.infer<typeof Variant>;

export const LockFile = z.enum(['requirements.txt', 'requirements-cpu.txt']);
export type LockFile = z.infer<typeof LockFile>;
export const DEV_LOCK_FILE = 'requirements-dev.txt';
/** Of the installer itself. */
export const UV_LOCK_FILE = 'requirements-uv.txt';

/** What an environment takes on disk when it is ready; measured with CUDA, for the CPU build rounded up from its wheels. */
export const ENVIRONMENT_BYTES = { cuda: 5.2e9, cpu: 1e9 } as const;

/** As `process.platform` and `process.arch`. */
export interface Platform {
  readonly os: NodeJS.Platform;
  readonly arch: string;
}

/** torch 2.2.2 has wheels for none newer, and capstone is written for none older. Newest first. */
export const PYTHONS = ['3.12', '3.11', '3.10'] as const;

/** Wheels for macOS and for Linux on ARM are CPU builds, whichever variant is asked for. */
export function lockFileFor(variant: Variant, platform: Platform): LockFile {
  return variant === 'cpu' && hasCudaBuild(platform) ? 'requirements-cpu.txt' : 'requirements.txt';
}

export function hasCudaBuild({ os, arch }: Platform): boolean {
  return os === 'linux' && arch === 'x64';
}

/** Of all that an environment is installed from; `dev`: with what checks and tests need. */
export function lockDigest(packageRoot: string, file: LockFile, dev = false): string {
  const files = [file, ...(dev ? [DEV_LOCK_FILE] : [])];
  return sha256(Buffer.concat(files.map((name) => readFileSync(join(packageRoot, name)))));
}

/**
 * The Pythons for which a lock file has both packages whose wheels differ from one Python to the next and are not
 * found again by their version: an entry without a marker serves all, one with `python_version == "3.10"` that one.
 */
export function pinnedPythons(lock: string): string[] {
  return PYTHONS.filter((python) =>
    ['torch', 'torchvision'].every((name) => {
      const entries = lock.matchAll(new RegExp(`^${name}==[^ ;\\\\]+ *(?:; *([^\\\\\\n]*?))? *\\\\?$`, 'gm'));
      return [...entries].some(([, marker]) => marker === undefined || marker.includes(`'${python}'`));
    }),
  );
}
