/** How a run is shown while it goes on. Results go to stdout and all of this to stderr, but for the event stream. */
import type { RunEvent } from '../spec/event.ts';
import { LiveBlock } from './block.ts';
import { jsonStream } from './json.ts';
import { plainOutput } from './plain.ts';

export interface Progress {
  event(event: RunEvent): void;
  /** May be called more than once. */
  close(): void;
}

export interface ProgressOptions {
  /** `block`: one block drawn in place, for a terminal. */
  readonly mode: 'block' | 'plain' | 'json';
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: NodeJS.ProcessEnv;
}

export function createProgress({ mode, stdout, stderr, env }: ProgressOptions): Progress {
  switch (mode) {
    case 'json':
      return jsonStream(stdout);
    case 'plain':
      return plainOutput(stderr);
    case 'block':
      // A dumb terminal cannot move its cursor.
      if (env['TERM'] === 'dumb') return plainOutput(stderr);
      return new LiveBlock({ stream: stderr, color: (env['NO_COLOR'] ?? '') === '' });
  }
}
