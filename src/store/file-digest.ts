/** SHA-256 of files, each computed once as long as the file stays the same. */
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { sha256, sha256File } from '../digest.ts';
import { readDigest, writeDigest } from './digest-cache.ts';
import { readFailure } from './disk-error.ts';

/** Throws UserError where the file cannot be read. */
export async function fileDigest(path: string, cacheRoot: string): Promise<string> {
  const file = resolve(path);
  const cache = join(cacheRoot, 'digests', sha256(file));
  try {
    const before = await stampOf(file);
    const known = readDigest(cache, before);
    if (known !== undefined) return known;
    const found = await sha256File(file);
    if ((await stampOf(file)) === before) writeDigest(cache, found, before);
    return found;
  } catch (error) {
    throw readFailure(path, error);
  }
}

/** What changes when a file is written anew: size, mtime in ns and inode. */
async function stampOf(file: string): Promise<string> {
  const { size, mtimeNs, ino } = await stat(file, { bigint: true });
  return `${size} ${mtimeNs} ${ino} `;
}
