/** What a run leaves behind while it goes on: its folder, its lock, and its log, which only its orchestrator writes. */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { OrchestratorEvent, RunEvent, WorkerEvent } from '../spec/event.ts';
import { openEventLog } from '../store/event-log.ts';
import { acquireLock } from '../store/lock.ts';
import { newRunId, type RunPaths, runPaths } from '../store/paths.ts';

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

/** Opens a new run's folder, or with `resume` that of an earlier one. Throws when another process runs it. */
export async function openRunRecord(
  workspace: string,
  name: string,
  resume: string | undefined,
  onEvent: (event: RunEvent) => void,
): Promise<RunRecord> {
  const id = resume ?? newRunId(name, new Date(), randomBytes(2).toString('hex'));
  const paths = runPaths(workspace, id);
  mkdirSync(dirname(paths.hostLog), { recursive: true });
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
