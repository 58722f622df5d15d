/** What a run leaves behind while it goes on: its folder, its lock, and its log, which only its orchestrator writes. */
import { rmdirSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { OrchestratorEvent, RunEvent, WorkerEvent } from '../spec/event.ts';
import { openEventLog } from '../store/event-log.ts';
import { acquireLock } from '../store/lock.ts';
import { type RunPaths, runPaths } from '../store/paths.ts';
import { makeFolder } from '../store/write.ts';

/** An event of ours before it is stamped. */
export type Unstamped = OrchestratorEvent extends infer E
  ? E extends OrchestratorEvent
    ? Omit<E, 'v' | 'ts'>
    : never
  : never;

export interface RunRecord {
  readonly id: string;
  readonly paths: RunPaths;
  /** A worker's event, as it came. */
  record(event: WorkerEvent): void;
  emit(event: Unstamped): void;
  close(): Promise<void>;
}

/** Opens the folder of a run, be it new or one to go on with. Throws when another process runs it. */
export async function openRunRecord(
  workspace: string,
  id: string,
  onEvent: (event: RunEvent) => void,
): Promise<RunRecord> {
  const paths = runPaths(workspace, id);
  makeFolder(dirname(paths.hostLog));
  const lock = await acquireLock(paths.lock, { timeoutMs: 0 });
  const log = openEventLog(paths.events);
  let runSeq = log.lastRunSeq;
  const append = (event: WorkerEvent | OrchestratorEvent) => {
    runSeq += 1;
    const stamped = { ...event, run: id, run_seq: runSeq } as RunEvent;
    log.append(stamped);
    onEvent(stamped);
  };
  return {
    id,
    paths,
    record: append,
    emit: (event) => append({ v: 1, ts: new Date().toISOString(), ...event } as OrchestratorEvent),
    async close() {
      log.close();
      await lock.release();
    },
  };
}

/** A run of which no event could be written, on a full disk for one, never was: its folder would say nothing. */
export function removeUnbegun(workspace: string, id: string): void {
  const { folder, events } = runPaths(workspace, id);
  if ((statSync(events, { throwIfNoEntry: false })?.size ?? 0) > 0) return;
  rmSync(folder, { recursive: true, force: true });
  try {
    rmdirSync(dirname(folder));
  } catch {
    // It holds other runs.
  }
}
