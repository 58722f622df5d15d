import type { RunEvent } from '../spec/event.ts';
import type { Progress } from './progress.ts';

/** The event stream, one JSON object a line, as it stands in events.ndjson. */
export function jsonStream(stream: NodeJS.WritableStream): Progress {
  return {
    event(event: RunEvent) {
      stream.write(`${JSON.stringify(event)}\n`);
    },
    close() {},
  };
}
