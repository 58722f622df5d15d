/**
 * Appended files, one JSON value a line, read while others still write them. A writer that died leaves a torn
 * last line: readers wait for its end, and the next writer closes it, so that it stands as a line of its own.
 */
import { closeSync, fstatSync, fsyncSync, mkdirSync, openSync, readSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf, writeFailure } from './disk-error.ts';

const NEWLINE = 0x0a;

export interface LineWriter {
  /** Handed to the operating system before it returns: a process that dies then loses nothing. */
  append(value: unknown): void;
  /** Syncs what was appended, then closes. */
  close(): void;
}

/** Makes the folder where it is missing. Throws UserError or MachineError when the place cannot be written. */
export function openLines(path: string): LineWriter {
  const attempt = <T>(act: () => T): T => {
    try {
      return act();
    } catch (error) {
      throw writeFailure(path, error);
    }
  };
  const file = attempt(() => {
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, 'a+');
  });
  let torn = attempt(() => endsTorn(file));
  return {
    append(value) {
      const line = `${torn ? '\n' : ''}${JSON.stringify(value)}\n`;
      torn = true; // until the line is whole: a disk that fills up tears it
      attempt(() => writeFileSync(file, line));
      torn = false;
    },
    close() {
      attempt(() => fsyncSync(file));
      closeSync(file);
    },
  };
}

/**
 * The values of the whole lines from a byte offset on, undefined for a line that is no JSON, and the offset where
 * the next line begins. No file yet: no lines.
 */
export function readLines(path: string, from: number): { values: unknown[]; next: number } {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { values: [], next: from };
    throw error;
  }
  try {
    const bytes = Buffer.alloc(Math.max(0, fstatSync(file).size - from));
    const read = readSync(file, bytes, 0, bytes.length, from);
    const end = bytes.subarray(0, read).lastIndexOf(NEWLINE) + 1;
    const lines = bytes.toString('utf8', 0, end).split('\n');
    return { values: lines.filter((line) => line !== '').map(parseJson), next: from + end };
  } finally {
    closeSync(file);
  }
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function endsTorn(file: number): boolean {
  const { size } = fstatSync(file);
  const last = Buffer.alloc(1);
  return size > 0 && readSync(file, last, 0, 1, size - 1) === 1 && last[0] !== NEWLINE;
}
