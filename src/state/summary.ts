/** A run in one line of a list. */
import type { RunEvent } from '../spec/event.ts';
import { countTasks } from './select.ts';
import type { RunView } from './view.ts';

/** `interrupted`: it has not ended, and its orchestrator is no more. */
export type RunState = 'running' | 'done' | 'failed' | 'cancelled' | 'interrupted';

export interface RunSummary {
  readonly id: string;
  readonly kind: string;
  readonly name: string;
  readonly state: RunState;
  readonly started_at_ms: number | null;
  /** Of a run that is over its whole length, of any other since it started; null where nothing was recorded. */
  readonly seconds: number | null;
  /** Succeeded or up to date, of all. */
  readonly tasks: { readonly done: number; readonly failed: number; readonly total: number };
  readonly bounds_missed: number;
  readonly best: string | null;
}

type Ended = Extract<RunEvent, { type: 'run_ended' }>;

/** From the first and the last event of a run that is over; nothing between them is needed. */
export function summarizeEnded(id: string, first: RunEvent | undefined, last: Ended): RunSummary {
  const { outcome, succeeded, up_to_date, failed, cancelled, bounds_missed, best } = last;
  const started = first?.type === 'run_started' ? first : undefined;
  return {
    id,
    kind: started?.kind ?? '',
    name: started?.name ?? '',
    state: outcome,
    started_at_ms: started === undefined ? null : Date.parse(started.ts),
    seconds: last.seconds,
    tasks: { done: succeeded + up_to_date, failed, total: succeeded + up_to_date + failed + cancelled },
    bounds_missed,
    best,
  };
}

/** From all that a run has recorded. `lastAtMs`: when it last recorded something; `alive`: somebody runs it. */
export function summarizeView(
  run: RunView,
  { id, alive, lastAtMs, now }: { id: string; alive: boolean; lastAtMs: number | null; now: number },
): RunSummary {
  const { succeeded, up_to_date, failed } = countTasks(run);
  const until = run.endedAtMs ?? (alive ? now : lastAtMs);
  return {
    id,
    kind: run.kind,
    name: run.name,
    state: stateOf(run, alive),
    started_at_ms: run.startedAtMs,
    seconds: run.startedAtMs === null || until === null ? null : Math.max(0, until - run.startedAtMs) / 1000,
    tasks: { done: succeeded + up_to_date, failed, total: run.tasks.length },
    bounds_missed: run.missedBounds.length,
    best: run.best,
  };
}

export function stateOf(run: RunView, alive: boolean): RunState {
  if (run.status === 'running' || run.status === 'stopping') return alive ? 'running' : 'interrupted';
  return run.status;
}
