/** The thread that reads run folders for the terminal UI: started by `watch-in-thread.ts`, which says what is wanted. */
import { parentPort, workerData } from 'node:worker_threads';
import type { JobForm, Stop } from '../../tui/run-source.ts';
import type { ActingPlace } from './act-on-runs.ts';
import { runSource } from './watch-runs.ts';

/** `number` names a subscription from its start to its end. */
export type Wanted = { readonly number: number } & (
  | { readonly of: 'list' }
  | { readonly of: 'follow'; readonly run: string }
  | { readonly of: 'log'; readonly run: string; readonly task: string | null }
  | { readonly of: 'rows'; readonly run: string | null }
  | { readonly of: 'outlook'; readonly job: JobForm }
  | { readonly of: 'stop' }
);

export interface Found {
  readonly number: number;
  /** What the subscription's method of a RunSource hands on. */
  readonly found: unknown;
}

const source = runSource(workerData as ActingPlace);
const stops = new Map<number, Stop>();

parentPort?.on('message', (wanted: Wanted) => {
  const { number } = wanted;
  if (wanted.of !== 'stop') {
    stops.set(number, start(wanted));
    return;
  }
  stops.get(number)?.();
  stops.delete(number);
});

function start(wanted: Exclude<Wanted, { of: 'stop' }>): Stop {
  const say = (found: unknown) => parentPort?.postMessage({ number: wanted.number, found } satisfies Found);
  switch (wanted.of) {
    case 'list':
      return source.list(say);
    case 'follow':
      return source.follow(wanted.run, say);
    case 'log':
      return source.log(wanted.run, wanted.task, say);
    case 'rows':
      return source.rows(wanted.run, say);
    case 'outlook':
      return source.outlook(wanted.job, say);
  }
}
