/** The runs of a workspace as a list that is looked at again and again: what has not changed is not read again. */
import { statSync } from 'node:fs';
import { emptyRun, reduceRun } from '../../state/reduce.ts';
import { type RunSummary, summarizeEnded, summarizeView } from '../../state/summary.ts';
import type { RunView } from '../../state/view.ts';
import { readEvents } from '../../store/event-log.ts';
import { runPaths } from '../../store/paths.ts';
import { readRunEnds, runIds } from '../../store/runs.ts';

interface Known {
  /** Of the log when it was last read. */
  readonly stamp: string;
  readonly summary: RunSummary;
  /** Of a run that has not ended: how far it was read, and what that makes. */
  readonly view?: RunView;
  readonly next?: number;
  readonly lastAtMs?: number | null;
}

export class RunList {
  readonly #workspace: string;
  #known = new Map<string, Known>();

  constructor(workspace: string) {
    this.#workspace = workspace;
  }

  /** Newest first; a run that has said nothing yet is left out. */
  read(now: number): RunSummary[] {
    const known = new Map<string, Known>();
    for (const id of runIds(this.#workspace)) {
      const found = this.#look(id, now);
      if (found !== undefined) known.set(id, found);
    }
    this.#known = known;
    return [...known.values()].map(({ summary }) => summary);
  }

  #look(id: string, now: number): Known | undefined {
    const before = this.#known.get(id);
    const { events } = runPaths(this.#workspace, id);
    const stats = statSync(events, { throwIfNoEntry: false });
    if (stats === undefined || stats.size === 0) return undefined;
    const stamp = `${stats.size} ${stats.mtimeMs}`;
    // A run that has ended says so at its end, and one that goes on again writes.
    if (before?.stamp === stamp && before.view === undefined) return before;
    const { first, last, owner } = readRunEnds(this.#workspace, id);
    if (last?.type === 'run_ended') return { stamp, summary: summarizeEnded(id, first, last) };
    const read = readEvents(events, before?.next ?? 0);
    const view = read.events.reduce(reduceRun, before?.view ?? emptyRun(id));
    const latest = read.events.at(-1);
    const lastAtMs = latest === undefined ? (before?.lastAtMs ?? null) : Date.parse(latest.ts);
    const alive = owner?.alive === true;
    const summary = summarizeView(view, { id, alive, lastAtMs, now });
    return { stamp, summary, view, next: read.next, lastAtMs };
  }
}
