/** `events.ndjson`: the truth about a run. One process writes it; anyone reads it, then or later. */
import { watch } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RunEvent } from '../spec/event.ts';
import { openLines, parseJson, readEndLines, readLines } from './lines.ts';

/** How long a change may go unseen where the operating system does not report it. */
const POLL_MS = 250;
/** A log that is written all the time is read so often and no more: each look costs more than a few events do. */
const REST_MS = 50;

export interface EventLog {
  /** Number of the last event that stood in the log when it was opened; 0 in a new one. */
  readonly lastRunSeq: number;
  append(event: RunEvent): void;
  close(): void;
}

export function openEventLog(path: string): EventLog {
  const lines = openLines(path);
  return { lastRunSeq: readEvents(path, 0).events.at(-1)?.run_seq ?? 0, ...lines };
}

export interface ReadEvents {
  readonly events: RunEvent[];
  /** Byte offset to read from next time; a torn last line lies behind it. */
  readonly next: number;
  /** Lines that are no event: torn and closed, or of another version. */
  readonly foreign: number;
}

export function readEvents(path: string, from: number): ReadEvents {
  const { lines, next } = readLines(path, from);
  const events = lines.map((line) => asEvent(parseJson(line))).filter((event) => event !== undefined);
  return { events, next, foreign: lines.length - events.length };
}

/** The first and the last event, without what lies between: of a log of any length two short readings. */
export function readEnds(path: string): { first: RunEvent | undefined; last: RunEvent | undefined } {
  const { first, last } = readEndLines(path, (value) => asEvent(value) !== undefined);
  return { first: asEvent(first), last: asEvent(last) };
}

/** Events from a byte offset on, as they are written, until the signal; what stands there then still comes. */
export async function* followEvents(
  path: string,
  from: number,
  signal: AbortSignal,
): AsyncGenerator<RunEvent, void, void> {
  let wake = () => {};
  const onAbort = () => wake();
  signal.addEventListener('abort', onAbort);
  const stopWatching = watchFolder(dirname(path), () => wake());
  try {
    for (let offset = from; ; ) {
      // Before reading: a line that comes between the reading and the waiting wakes as well.
      const changed = new Promise<void>((resolve) => {
        wake = resolve;
      });
      const stopped = signal.aborted;
      const { lines, next } = readLines(path, offset);
      // One by one: of a log that grows fast, thousands at once would be old enough to stay in memory.
      for (const line of lines) {
        const event = asEvent(parseJson(line));
        if (event !== undefined) yield event;
      }
      if (stopped) return;
      if (next > offset) await sleep(REST_MS, undefined, { signal }).catch(() => {});
      offset = next;
      const timer = setTimeout(() => wake(), POLL_MS);
      await changed;
      clearTimeout(timer);
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
    stopWatching();
  }
}

/** The folder, because the file may not be there yet. Where watching fails, polling goes on alone. */
function watchFolder(folder: string, onChange: () => void): () => void {
  try {
    const watcher = watch(folder, onChange);
    watcher.on('error', () => watcher.close());
    return () => watcher.close();
  } catch {
    return () => {};
  }
}

function asEvent(value: unknown): RunEvent | undefined {
  return RunEvent.safeParse(value).data;
}
