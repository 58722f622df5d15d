/**
 * Framing of protocol 1: one JSON object a line. The buffer is bounded, a torn line waits for its rest, and a line
 * that is no event breaks nothing: it is handed on as foreign.
 */
import { WorkerEvent } from '../spec/event.ts';

/** A line of the protocol is at most 1 MiB; what grows beyond that without an end is no event. */
const MAX_LINE_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;

export interface ForeignLine {
  readonly foreign: string;
}

export class EventReader {
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Inside a line that is too long: dropped up to its end. */
  #skipping = false;
  readonly #ready: (WorkerEvent | ForeignLine)[] = [];
  #taken = 0;

  append(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#keep(chunk.subarray(start, end));
      this.#finishLine();
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
  }

  /** The next event or foreign line; undefined while none is complete. */
  next(): WorkerEvent | ForeignLine | undefined {
    const item = this.#ready[this.#taken];
    if (item === undefined) {
      this.#ready.length = 0;
      this.#taken = 0;
    } else this.#taken += 1;
    return item;
  }

  #keep(part: Buffer): void {
    if (this.#skipping) return;
    this.#chunks.push(part);
    this.#bytes += part.length;
    if (this.#bytes <= MAX_LINE_BYTES) return;
    this.#ready.push({ foreign: `${this.#line().slice(0, 200)}... (longer than ${MAX_LINE_BYTES} bytes)` });
    this.#skipping = true;
  }

  #finishLine(): void {
    const line = this.#line();
    if (!this.#skipping && line !== '') this.#ready.push(parse(line));
    this.#skipping = false;
  }

  #line(): string {
    const [only] = this.#chunks;
    const text = (this.#chunks.length === 1 && only ? only : Buffer.concat(this.#chunks)).toString('utf8');
    this.#chunks = [];
    this.#bytes = 0;
    return text;
  }
}

function parse(line: string): WorkerEvent | ForeignLine {
  try {
    const event = WorkerEvent.safeParse(JSON.parse(line));
    return event.success ? event.data : { foreign: line };
  } catch {
    return { foreign: line };
  }
}
