/** Which runs of a workspace are going on, and which were interrupted. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import type { Facts } from '../python/facts.ts';
import { readEvents } from '../store/event-log.ts';
import { lockOwner } from '../store/lock.ts';
import { runPaths, workspacePaths } from '../store/paths.ts';

/** The last event is at most a line of results: of a long log the rest need not be read. */
const TAIL_BYTES = 1 << 20;

export function gatherRuns(workspace: string): Facts['runs'] {
  const { runs } = workspacePaths(workspace);
  const ids = existsSync(runs) ? readdirSync(runs).sort() : [];
  const started = ids.filter((id) => existsSync(runPaths(workspace, id).events));
  const running = started.filter((id) => lockOwner(runPaths(workspace, id).lock)?.alive === true);
  return {
    total: started.length,
    running,
    interrupted: started.filter((id) => !running.includes(id) && !hasEnded(runPaths(workspace, id).events)),
  };
}

function hasEnded(events: string): boolean {
  const from = Math.max(0, statSync(events).size - TAIL_BYTES);
  return readEvents(events, from).events.at(-1)?.type === 'run_ended';
}
