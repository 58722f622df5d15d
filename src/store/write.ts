/**
 * Whole files: a reader, or a crash, finds the old one or the new one. Written aside, synced, renamed.
 *
 * By hand, because write-file-atomic 7 writes with one call and believes it: on a full disk that call writes a
 * part, reports how much, and the torn file gets the final name.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { writeFailure } from './disk-error.ts';

/** Makes the folder where it is missing. Throws UserError or MachineError when the place cannot be written. */
export function writeText(path: string, text: string): void {
  const folder = dirname(path);
  const aside = join(folder, `.${basename(path)}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`);
  try {
    mkdirSync(folder, { recursive: true });
    try {
      withFile(aside, 'wx', (file) => {
        writeFileSync(file, text);
        fsyncSync(file);
      });
      renameSync(aside, path);
    } finally {
      rmSync(aside, { force: true });
    }
    withFile(folder, 'r', fsyncSync); // the new name, too, survives a power cut
  } catch (error) {
    throw writeFailure(path, error);
  }
}

/** With those above it, where they are missing. Throws as `writeText`. */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw writeFailure(path, error);
  }
}

/** Indented: these files are read by people, too. */
export function writeJson(path: string, value: unknown): void {
  writeText(path, `${JSON.stringify(value, null, 2)}\n`);
}

function withFile(path: string, flags: string, act: (file: number) => void): void {
  const file = openSync(path, flags);
  try {
    act(file);
  } finally {
    closeSync(file);
  }
}
