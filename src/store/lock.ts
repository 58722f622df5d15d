/**
 * The lock that both languages take on what both write: a file that names its owner. The protocol stands in
 * py/capstone_worker/lock.py, which keeps the same one; a test races the two.
 *
 * It is linked into place, so that nobody sees it half written. A dead owner's lock is replaced by a rename, under
 * a lock of its own (`.takeover`), so that of two who saw the dead owner only one replaces it.
 */
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { MachineError } from '../errors/errors.ts';
import { codeOf, writeFailure } from './disk-error.ts';

const POLL_MS = 50;
/** Written without links, a lock is unreadable for a moment; for longer only when its writer died. */
const UNREADABLE_IS_DEAD_MS = 10_000;
const NO_HARD_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

const Owner = z.looseObject({
  pid: z.number().int(),
  /** With the pid it names one process: pids come again. */
  start_time: z.string(),
  boot_id: z.string(),
  host: z.string(),
  /** Names one acquisition. */
  nonce: z.string(),
});
type Owner = z.infer<typeof Owner>;

export interface Lock {
  /** Gives the lock back; does nothing where it is no longer ours. */
  release(): Promise<void>;
}

export interface LockOwner {
  readonly pid: number;
  readonly host: string;
  /** A process on another host counts as alive: nobody here can tell. */
  readonly alive: boolean;
}

/**
 * Waits while a living process holds the lock; not reentrant. Throws MachineError `lock_held`, which names the
 * owner, when it is not to be had within `timeoutMs`.
 */
export async function acquireLock(path: string, { timeoutMs }: { timeoutMs: number }): Promise<Lock> {
  try {
    mkdirSync(dirname(path), { recursive: true });
    const nonce = await acquire(path, performance.now() + timeoutMs);
    return { release: async () => release(path, nonce) };
  } catch (error) {
    throw writeFailure(path, error);
  }
}

/** Who holds the lock; undefined where nobody does, or the file does not say. */
export function lockOwner(path: string): LockOwner | undefined {
  const owner = parseOwner(readIfThere(path));
  return owner === undefined ? undefined : { pid: owner.pid, host: owner.host, alive: !isOwnerDead(owner) };
}

async function acquire(path: string, deadline: number): Promise<string> {
  const nonce = randomUUID().replaceAll('-', '');
  for (;;) {
    const seen = readIfThere(path);
    if (seen === undefined) {
      if (create(path, nonce)) return nonce;
    } else if (isDead(path, seen)) {
      if (await takeOver(path, seen, nonce, deadline)) return nonce;
    } else if (performance.now() >= deadline) {
      throw lockHeld(path, seen);
    } else {
      await sleep(POLL_MS);
    }
  }
}

function release(path: string, nonce: string): void {
  if (parseOwner(readIfThere(path))?.nonce === nonce) rmSync(path);
}

/** Whether the lock is now ours; false when somebody else was first. */
function create(path: string, nonce: string): boolean {
  const aside = writeAside(path, nonce);
  try {
    linkSync(aside, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    if (NO_HARD_LINKS.has(codeOf(error))) return createWithoutLinks(path, nonce);
    throw error;
  } finally {
    rmSync(aside);
  }
}

function createWithoutLinks(path: string, nonce: string): boolean {
  try {
    writeFileSync(path, claim(nonce), { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Puts our claim in the place of the dead owner's; false when somebody else has. */
async function takeOver(path: string, dead: string, nonce: string, deadline: number): Promise<boolean> {
  const takeover = `${path}.takeover`;
  const takeoverNonce = await acquire(takeover, deadline);
  try {
    if (readIfThere(path) !== dead) return false;
    renameSync(writeAside(path, nonce), path);
    return true;
  } finally {
    release(takeover, takeoverNonce);
  }
}

function writeAside(path: string, nonce: string): string {
  const aside = `${path}.${nonce}`;
  try {
    writeFileSync(aside, claim(nonce));
  } catch (error) {
    rmSync(aside, { force: true }); // a full disk leaves an empty one
    throw error;
  }
  return aside;
}

function claim(nonce: string): string {
  const owner: Owner = {
    pid: process.pid,
    start_time: startTime(process.pid) ?? '',
    boot_id: bootId(),
    host: hostname(),
    nonce,
  };
  return JSON.stringify(owner);
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function parseOwner(text: string | undefined): Owner | undefined {
  try {
    return Owner.safeParse(JSON.parse(text ?? '')).data;
  } catch {
    return undefined;
  }
}

function isDead(path: string, seen: string): boolean {
  const owner = parseOwner(seen);
  if (owner !== undefined) return isOwnerDead(owner);
  const written = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  return written !== undefined && Date.now() - written > UNREADABLE_IS_DEAD_MS;
}

function isOwnerDead(owner: Owner): boolean {
  if (owner.host !== hostname()) return false;
  return owner.boot_id !== bootId() || owner.start_time !== startTime(owner.pid);
}

/** When the process started, in this system's words; undefined where none runs with that pid. */
function startTime(pid: number): string | undefined {
  if (!existsSync('/proc/self/stat')) return output('ps', '-o', 'lstart=', '-p', String(pid)) || undefined;
  const stat = readProcess(pid);
  // The name in parentheses before the fields may hold spaces and parentheses itself.
  const [state, ...fields] =
    stat
      ?.slice(stat.lastIndexOf(')') + 1)
      .trim()
      .split(/\s+/) ?? [];
  return state === undefined || state === 'Z' || state === 'X' ? undefined : fields[18];
}

function readProcess(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ESRCH') return undefined;
    throw error;
  }
}

let knownBootId: string | undefined;

/** A machine that has booted since has none of its processes left. */
function bootId(): string {
  const linux = '/proc/sys/kernel/random/boot_id';
  knownBootId ??= existsSync(linux)
    ? readFileSync(linux, 'utf8').trim()
    : output('sysctl', '-n', 'kern.boottime');
  return knownBootId;
}

/** In one locale and time zone: both commands print local time, and every process has to read the same. */
function output(command: string, ...args: string[]): string {
  const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
  return spawnSync(command, args, { env, encoding: 'utf8' }).stdout.trim();
}

function lockHeld(path: string, seen: string): MachineError {
  const owner = parseOwner(seen);
  const by = owner === undefined ? 'by nobody one can tell' : `by process ${owner.pid} on ${owner.host}`;
  return new MachineError('lock_held', `${path} is held ${by}`, [
    'Wait for it to end; remove the file only if it has ended.',
  ]);
}
