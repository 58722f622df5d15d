/**
 * Runs seen through a thread of their own. A log that is written all the time, thousands of runs or of rows are read
 * there, and the thread that draws has nothing to do but answer keys.
 */
import { existsSync, readdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { workspacePaths } from '../../store/paths.ts';
import type { FollowedRun, RunSource, Stop } from '../../tui/run-source.ts';
import type { ActingPlace } from './act-on-runs.ts';
import type { Found, Wanted } from './watch-thread.ts';

// biome-ignore lint/suspicious/noExplicitAny: each subscription knows what it asked for
type Taker = (found: any) => void;

export function runsFromThread(place: ActingPlace): RunSource {
  // Bundled beside the program.
  const thread = new Worker(new URL('./watch-thread.js', import.meta.url), { workerData: place });
  const takers = new Map<number, Taker>();
  // An error in the thread is thrown here, as if there were none: nobody listens to it.
  thread.on('message', ({ number, found }: Found) => takers.get(number)?.(found));
  // After the listening, which counts as a reason to go on.
  thread.unref();
  let last = 0;
  const subscribe = <T>(wanted: (number: number) => Wanted, take: (found: T) => void): Stop => {
    last += 1;
    const number = last;
    takers.set(number, take);
    thread.postMessage(wanted(number));
    return () => {
      takers.delete(number);
      thread.postMessage({ number, of: 'stop' } satisfies Wanted);
    };
  };
  return {
    list(onRuns) {
      // Who has no runs yet sees that in the first frame: no thread has to start for it.
      if (isEmpty(workspacePaths(place.workspace).runs)) onRuns([]);
      return subscribe((number) => ({ number, of: 'list' }), onRuns);
    },
    follow: (run, onRun) => subscribe<FollowedRun>((number) => ({ number, of: 'follow', run }), onRun),
    log: (run, task, onLines) => subscribe((number) => ({ number, of: 'log', run, task }), onLines),
    rows: (run, onRows) => subscribe((number) => ({ number, of: 'rows', run }), onRows),
    outlook: (job, onOutlook) => subscribe((number) => ({ number, of: 'outlook', job }), onOutlook),
  };
}

function isEmpty(folder: string): boolean {
  return !existsSync(folder) || readdirSync(folder).length === 0;
}
