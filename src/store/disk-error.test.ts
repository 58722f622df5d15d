import { expect, test } from 'vitest';
import { CapstoneError, MachineError, UserError } from '../errors/errors.ts';
import { readFailure, writeFailure } from './disk-error.ts';

const refusal = (code: string) => Object.assign(new Error(code), { code });
const facts = (error: unknown) => {
  if (!(error instanceof CapstoneError)) throw error;
  return [error.constructor, error.code, error.message, error.next];
};

const FREE_SPACE = ['Free space for /w, or choose another folder.'];
const PERMISSIONS = ['Check the permissions of its folder, or choose another.'];

test.each([
  ['ENOSPC', MachineError, 'disk_full', 'no space left on the disk', FREE_SPACE],
  ['EDQUOT', MachineError, 'disk_full', 'the disk quota is used up', FREE_SPACE],
  ['EFBIG', MachineError, 'disk_full', 'the file would be larger than the system allows', FREE_SPACE],
  ['EACCES', UserError, 'output_not_writable', 'permission denied', PERMISSIONS],
  ['EPERM', UserError, 'output_not_writable', 'permission denied', PERMISSIONS],
  ['EROFS', UserError, 'output_not_writable', 'the file system is read-only', PERMISSIONS],
  ['EISDIR', UserError, 'output_not_writable', 'it is a folder', PERMISSIONS],
  ['EEXIST', UserError, 'output_not_writable', 'a file is where a folder is needed', PERMISSIONS],
  ['ENOTDIR', UserError, 'output_not_writable', 'a file is where a folder is needed', PERMISSIONS],
  ['ENAMETOOLONG', UserError, 'output_not_writable', 'the name is too long', PERMISSIONS],
  ['EIO', MachineError, 'write_failed', 'the disk reported an error', ['Check the disk.']],
])('writing: %s', (code, kind, name, reason, next) => {
  expect(facts(writeFailure('/w/f', refusal(code)))).toEqual([
    kind,
    name,
    `/w/f cannot be written: ${reason}`,
    next,
  ]);
});

test.each([
  ['ENOENT', UserError, 'input_not_readable', 'it does not exist', ['Check its path and permissions.']],
  ['EACCES', UserError, 'input_not_readable', 'permission denied', ['Check its path and permissions.']],
  ['EISDIR', UserError, 'input_not_readable', 'it is a folder', ['Check its path and permissions.']],
  ['EIO', MachineError, 'read_failed', 'the disk reported an error', ['Check the disk.']],
])('reading: %s', (code, kind, name, reason, next) => {
  expect(facts(readFailure('/w/f', refusal(code)))).toEqual([
    kind,
    name,
    `/w/f cannot be read: ${reason}`,
    next,
  ]);
});

test('what is nobody’s fault but ours stays as it is', () => {
  for (const error of [new TypeError('x'), refusal('EBADF'), 'text']) {
    expect(writeFailure('/w/f', error)).toBe(error);
    expect(readFailure('/w/f', error)).toBe(error);
  }
});
