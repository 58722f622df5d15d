/** The runs of a workspace as a list that is looked at again and again: what has not changed is not read again. */
import { statSync } from 'node:fs';
import { emptyRun, reduceRun } from '../../state/reduce.ts';
import { type RunSummary, summarizeEnded, summarizeView } from '../../state/summary.ts';
import type { RunView } from '../../state/view.ts';
import { readEvents } from '../../store/event-log.ts';
import { runPaths } from '../../store/paths.ts';
import { readRunEnds, runIds } from '../../store/runs.ts';

const ALWAYS_LOOKED_AT = 200;
const PARTS = 10;

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
  /** Which part of the old runs is looked at next. */
  #turn = 0;

  constructor(workspace: string) {
    this.#workspace = workspace;
  }

  /**
   * Newest first; a run that has said nothing yet is left out. Of runs never seen before at most so many are read, the
   * newest: with thousands, what a person sees first need not wait for the rest.
   */
  read(now: number, atMost = Number.POSITIVE_INFINITY): { runs: RunSummary[]; isWhole: boolean } {
    const known = new Map<string, Known>();
    let unseen = 0;
    this.#turn += 1;
    for (const [index, id] of runIds(this.#workspace).entries()) {
      const before = this.#known.get(id);
      if (before === undefined) unseen += 1;
      if (before === undefined && unseen > atMost) continue;
      const found = before !== undefined && this.#canWait(before, index) ? before : this.#look(id, now);
      if (found !== undefined) known.set(id, found);
    }
    this.#known = known;
    return { runs: [...known.values()].map(({ summary }) => summary), isWhole: unseen <= atMost };
  }

  /** Of thousands that ended long ago a part is looked at each time: one that is resumed is seen some seconds later. */
  #canWait({ view }: Known, index: number): boolean {
    const isOver = view === undefined;
    return isOver && index >= ALWAYS_LOOKED_AT && index % PARTS !== this.#turn % PARTS;
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
