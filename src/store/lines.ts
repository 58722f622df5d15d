/**
 * Appended files, one JSON value a line, read while others still write them. A writer that died leaves a torn
 * last line: readers wait for its end, and the next writer closes it, so that it stands as a line of its own.
 */
import { closeSync, fstatSync, fsyncSync, mkdirSync, openSync, readSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf, writeFailure } from './disk-error.ts';

const NEWLINE = 0x0a;
/** Most lines are shorter. */
const END_BYTES = 4096;

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
 * The whole lines from a byte offset on, without empty ones, and the offset where the next line begins. No file yet: no
 * lines.
 */
export function readLines(path: string, from: number): { lines: string[]; next: number } {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { lines: [], next: from };
    throw error;
  }
  try {
    const bytes = Buffer.alloc(Math.max(0, fstatSync(file).size - from));
    const read = readSync(file, bytes, 0, bytes.length, from);
    const end = bytes.subarray(0, read).lastIndexOf(NEWLINE) + 1;
    const lines = bytes.toString('utf8', 0, end).split('\n');
    return { lines: lines.filter((line) => line !== ''), next: from + end };
  } finally {
    closeSync(file);
  }
}

/** The first and the last whole line whose value is wanted; undefined where there is none. */
export function readEndLines(
  path: string,
  isWanted: (value: unknown) => boolean,
): { first: unknown; last: unknown } {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { first: undefined, last: undefined };
    throw error;
  }
  try {
    const { size } = fstatSync(file);
    const wanted = (bytes: number, end: 'first' | 'last') => {
      const from = end === 'first' ? 0 : size - bytes;
      const lines = linesWithin(file, from, bytes);
      const values = lines.map(parseJson).filter(isWanted);
      return end === 'first' ? values[0] : values.at(-1);
    };
    // Twice as much each time: a line may be up to 1 MiB, and the last ones may be torn or foreign.
    const search = (end: 'first' | 'last') => {
      for (let bytes = Math.min(END_BYTES, size); ; bytes = Math.min(2 * bytes, size)) {
        const value = wanted(bytes, end);
        if (value !== undefined || bytes === size) return value;
      }
    };
    return { first: search('first'), last: search('last') };
  } finally {
    closeSync(file);
  }
}

/** Whole lines among so many bytes; what begins before them or ends behind them is left out. */
function linesWithin(file: number, from: number, bytes: number): string[] {
  const buffer = Buffer.alloc(bytes);
  const read = buffer.subarray(0, readSync(file, buffer, 0, bytes, from));
  const start = from === 0 ? 0 : read.indexOf(NEWLINE) + 1;
  const end = read.lastIndexOf(NEWLINE) + 1;
  return read
    .toString('utf8', start, Math.max(start, end))
    .split('\n')
    .filter((line) => line !== '');
}

/** Undefined for a line that is no JSON. */
export function parseJson(line: string): unknown {
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
