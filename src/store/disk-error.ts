/** What the operating system refused, as an error a person can act on. */
import { dirname } from 'node:path';
import { MachineError, UserError } from '../errors/errors.ts';

const NO_ROOM: Record<string, string> = {
  ENOSPC: 'no space left on the disk',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file would be larger than the system allows',
};

const REFUSED: Record<string, string> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  EISDIR: 'it is a folder',
  EEXIST: 'a file is where a folder is needed',
  ENOTDIR: 'a file is where a folder is needed',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'its links lead in a circle',
};

const BROKEN: Record<string, string> = { EIO: 'the disk reported an error' };

/** The error to throw when writing `path` failed with `error`; a fault of ours comes back as it is. */
export function writeFailure(path: string, error: unknown): unknown {
  const code = codeOf(error);
  const noRoom = NO_ROOM[code];
  if (noRoom !== undefined) {
    return new MachineError('disk_full', `${path} cannot be written: ${noRoom}`, [
      `Free space for ${dirname(path)}, or choose another folder.`,
    ]);
  }
  const refused = REFUSED[code];
  if (refused !== undefined) {
    return new UserError('output_not_writable', `${path} cannot be written: ${refused}`, [
      'Check the permissions of its folder, or choose another.',
    ]);
  }
  const broken = BROKEN[code];
  if (broken !== undefined) {
    return new MachineError('write_failed', `${path} cannot be written: ${broken}`, ['Check the disk.']);
  }
  return error;
}

/** The same for reading what the user named. */
export function readFailure(path: string, error: unknown): unknown {
  const code = codeOf(error);
  const refused = code === 'ENOENT' ? 'it does not exist' : REFUSED[code];
  if (refused !== undefined) {
    return new UserError('input_not_readable', `${path} cannot be read: ${refused}`, [
      'Check its path and permissions.',
    ]);
  }
  const broken = BROKEN[code];
  if (broken !== undefined) {
    return new MachineError('read_failed', `${path} cannot be read: ${broken}`, ['Check the disk.']);
  }
  return error;
}

/** Node's name of a system error, such as ENOSPC; empty for any other value. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
