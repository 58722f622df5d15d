/** Digests that can be computed again: one small file each, safe for processes that write the same one at once. */
import { readFileSync } from 'node:fs';
import { CapstoneError } from '../errors/errors.ts';
import { Digest } from '../spec/names.ts';
import { writeText } from './write.ts';

/** The digest behind `stamp` in a cache file; undefined where there is none, or one for another stamp. */
export function readDigest(path: string, stamp = ''): string | undefined {
  const text = readIfReadable(path);
  if (!text?.startsWith(stamp) || !text.endsWith('\n')) return undefined;
  return Digest.safeParse(text.slice(stamp.length, -1)).data;
}

/** A cache that cannot be written, on a read-only home or a full disk, costs time and nothing else. */
export function writeDigest(path: string, digest: string, stamp = ''): void {
  try {
    writeText(path, `${stamp}${digest}\n`);
  } catch (error) {
    if (!(error instanceof CapstoneError)) throw error;
  }
}

function readIfReadable(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
