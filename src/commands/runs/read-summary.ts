import { emptyRun, reduceRun } from '../../state/reduce.ts';
import type { RunState } from '../../state/summary.ts';
import { type RunSummary, stateOf, summarizeEnded, summarizeView } from '../../state/summary.ts';
import type { RunView } from '../../state/view.ts';
import { readEvents } from '../../store/event-log.ts';
import { runPaths } from '../../store/paths.ts';
import { readRunEnds } from '../../store/runs.ts';

/** A run in a line. Of one that is over only the ends of its log are read; the others are few, and read whole. */
export function readSummary(workspace: string, id: string, now: number): RunSummary {
  const { first, last, owner } = readRunEnds(workspace, id);
  if (last?.type === 'run_ended') return summarizeEnded(id, first, last);
  const { view, lastAtMs } = readView(workspace, id);
  return summarizeView(view, { id, alive: owner?.alive === true, lastAtMs, now });
}

/** All that a run has recorded so far. */
export function readView(workspace: string, id: string): { view: RunView; lastAtMs: number | null } {
  const { events } = readEvents(runPaths(workspace, id).events, 0);
  const last = events.at(-1);
  return {
    view: events.reduce(reduceRun, emptyRun(id)),
    lastAtMs: last === undefined ? null : Date.parse(last.ts),
  };
}

export function readState(workspace: string, id: string): { state: RunState; view: RunView } {
  const { owner } = readRunEnds(workspace, id);
  const { view } = readView(workspace, id);
  return { state: stateOf(view, owner?.alive === true), view };
}
