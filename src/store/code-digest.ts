/** SHA-256 of files of code: always of their bytes, since what is allowed to run must be what was seen. */
import { readFileSync, statSync } from 'node:fs';
import { sha256 } from '../digest.ts';
import { readFailure } from './disk-error.ts';

/** By path; none for what is not there or is no file. Throws UserError where one cannot be read. */
export function codeDigests(paths: readonly string[]): Map<string, string> {
  return new Map(
    [...new Set(paths)].flatMap((path): [string, string][] => {
      const digest = codeDigest(path);
      return digest === undefined ? [] : [[path, digest]];
    }),
  );
}

function codeDigest(path: string): string | undefined {
  try {
    const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() === true;
    return isFile ? sha256(readFileSync(path)) : undefined;
  } catch (error) {
    throw readFailure(path, error);
  }
}
