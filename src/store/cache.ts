/**
 * What lies in the cache, and clearing it. Everything there can be made again from what the user has.
 *
 * An entry is a file or folder in one of the cache's folders, such as `data/<digest>-32-test`. Whoever makes one holds
 * `<entry>.lock` (py: filelock, which is flock) and writes to names that begin with the entry's, or writes a
 * temporary file that names its process. Clearing leaves all of these alone. A finished entry goes even while a
 * process reads it: the folder vanishes whole, by a rename, and what is mapped stays readable until it is unmapped.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  type Dirent,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { codeOf, readFailure, writeFailure } from './disk-error.ts';

/** Decoded data sets; logits of originals, and what else was measured of them once; digests of folders and of files; downloaded weights. */
export const CACHES = ['data', 'logits', 'best_originals', 'manifests', 'digests', 'weights'] as const;

export interface CacheSize {
  readonly name: (typeof CACHES)[number];
  readonly path: string;
  /** Of all files, unfinished ones too. */
  readonly bytes: number;
  readonly entries: number;
}

/** Temporary files name the process that writes them: src/store/write.ts, py/capstone_worker/artifact/write.py. */
const TEMPORARY = /^\..*\.(\d+)-[0-9a-f]{8}\.tmp$/;
const LOCK = '.lock';
/** What an entry is called while it is being made. */
const PARTIAL = '.partial';
/** Of macOS: open and take the lock that flock would take. Node has no name for it. */
const O_EXLOCK = 0x20;

/** Every cache, empty ones too. Throws UserError or MachineError where one cannot be read. */
export function describeCaches(cacheRoot: string): CacheSize[] {
  return CACHES.map((name) => {
    const path = join(cacheRoot, name);
    const names = listFolder(path).map((entry) => entry.name);
    return {
      name,
      path,
      bytes: names.reduce((sum, entry) => sum + sizeOf(join(path, entry)), 0),
      entries: names.filter(isEntry).length,
    };
  });
}

/**
 * Removes what no living process is writing; the bytes that this freed.
 * Throws UserError or MachineError where something cannot be removed.
 */
export function clearCaches(cacheRoot: string): number {
  return CACHES.reduce((freed, name) => freed + clearFolder(join(cacheRoot, name)), 0);
}

function isEntry(name: string): boolean {
  return !name.startsWith('.') && !name.endsWith(LOCK) && !name.endsWith(PARTIAL);
}

function clearFolder(folder: string): number {
  const names = listFolder(folder).map((entry) => entry.name);
  const held = names.filter((name) => name.endsWith(LOCK) && isHeld(join(folder, name)));
  const beingWritten = (name: string) =>
    held.some((lock) => name.startsWith(lock.slice(0, -LOCK.length))) || isTemporaryOfTheLiving(name);
  return names.filter((name) => !beingWritten(name)).reduce((freed, name) => freed + remove(folder, name), 0);
}

function remove(folder: string, name: string): number {
  const path = join(folder, name);
  const aside = join(folder, `.${name}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`);
  try {
    const bytes = sizeOf(path);
    renameSync(path, aside);
    rmSync(aside, { recursive: true, force: true });
    return bytes;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 0; // its owner, or another who clears, was faster
    throw writeFailure(path, error);
  }
}

/** Whether a process holds the flock; a lock file without one was left behind by a process that was killed. */
function isHeld(lock: string): boolean {
  if (process.platform === 'darwin') return !canLock(lock);
  const locks = readIfThere('/proc/locks');
  // Nobody can tell: rather keep a leftover than break a running task.
  if (locks === undefined) return true;
  const inode = lstatSync(lock, { throwIfNoEntry: false })?.ino;
  // The device is not compared: on btrfs and overlayfs it is another than stat's.
  return locks
    .split('\n')
    .map((line) => line.split(/\s+/))
    .some((fields) => fields.includes('FLOCK') && fields.some((field) => field.endsWith(`:${inode}`)));
}

function canLock(lock: string): boolean {
  try {
    closeSync(openSync(lock, constants.O_RDONLY | constants.O_NONBLOCK | O_EXLOCK));
    return true;
  } catch (error) {
    return codeOf(error) === 'ENOENT';
  }
}

function isTemporaryOfTheLiving(name: string): boolean {
  const pid = TEMPORARY.exec(name)?.[1];
  if (pid === undefined) return false;
  try {
    return process.kill(Number(pid), 0);
  } catch (error) {
    return codeOf(error) === 'EPERM'; // it lives, and is another user's
  }
}

/** Bytes of a file, or of all files in a folder; 0 for what has vanished meanwhile. */
function sizeOf(path: string): number {
  const status = lstatSync(path, { throwIfNoEntry: false });
  if (!status?.isDirectory()) return status?.size ?? 0;
  return listFolder(path).reduce((sum, entry) => sum + sizeOf(join(path, entry.name)), 0);
}

function listFolder(path: string): Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw readFailure(path, error);
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
