/** Whole rewrites of a file that both languages and several processes write. */
import { existsSync, readFileSync } from 'node:fs';
import { acquireLock } from './lock.ts';
import { writeText } from './write.ts';

/** A rewrite takes milliseconds: whoever holds the lock for longer is in trouble. */
const TIMEOUT_MS = 60_000;

/** `transform` sees the file as it is under the lock, undefined where there is none, and returns the new one. */
export async function rewriteLocked(
  path: string,
  lockPath: string,
  transform: (text: string | undefined) => string,
): Promise<void> {
  const lock = await acquireLock(lockPath, { timeoutMs: TIMEOUT_MS });
  try {
    writeText(path, transform(existsSync(path) ? readFileSync(path, 'utf8') : undefined));
  } finally {
    await lock.release();
  }
}
