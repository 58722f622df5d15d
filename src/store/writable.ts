/** Whether a file can be written at all, asked before the work that would end in it. */
import { accessSync, constants, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CapstoneError } from '../errors/errors.ts';
import { codeOf, writeFailure } from './disk-error.ts';

/** Whether a folder, or the nearest above it, takes new files. */
export function canHoldFiles(folder: string): boolean {
  try {
    refuseUnwritable(join(folder, 'file'));
    return true;
  } catch (error) {
    if (error instanceof CapstoneError) return false;
    throw error;
  }
}

/** Throws UserError where the nearest folder there is would take no new file or folder. */
export function refuseUnwritable(path: string): void {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    try {
      statSync(folder);
      // A file where a folder is needed is no place to look into: access says ENOTDIR.
      accessSync(`${folder}/.`, constants.W_OK | constants.X_OK);
      return;
    } catch (error) {
      if (codeOf(error) !== 'ENOENT' || folder === dirname(folder)) throw writeFailure(path, error);
    }
  }
}
