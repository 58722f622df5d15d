/** What the UI sees, read from the folders of the runs. Each is looked at by the clock: that bounds how often. */
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { setImmediate as breathe } from 'node:timers/promises';
import { plainLines } from '../../progress/plain.ts';
import { parseCsv } from '../../results/csv.ts';
import type { RunEvent } from '../../spec/event.ts';
import type { Row } from '../../spec/row.ts';
import { emptyRun, reduceRun } from '../../state/reduce.ts';
import { stateOf } from '../../state/summary.ts';
import { followEvents, readEvents } from '../../store/event-log.ts';
import { lockOwner } from '../../store/lock.ts';
import { runPaths, workspacePaths } from '../../store/paths.ts';
import { readResults } from '../../store/results.ts';
import type { RunSource, Said, Stop } from '../../tui/run-source.ts';
import type { ActingPlace } from './act-on-runs.ts';
import type { Outlooks } from './outlook.ts';
import { RunList } from './run-list.ts';

const LIST_MS = 1000;
const FOLLOW_MS = 200;
const FILE_MS = 500;
/** How often it is looked whether a run's orchestrator is still there. */
const ALIVE_MS = 1000;
/** A job is planned when nobody has typed for so long. */
const TYPED_MS = 300;
const KEPT_SAID = 300;
const LOG_BYTES = 64 * 1024;
/** Much is read without keeping keys waiting. */
const EVENTS_A_BREATH = 100;
const RUNS_A_BREATH = 200;

export function runSource(place: ActingPlace): RunSource {
  const { workspace } = place;
  // Loaded when a job is put together: planning is most of the program.
  let outlooks: Promise<Outlooks> | undefined;
  return {
    list(onRuns) {
      const list = new RunList(workspace);
      let shown = '';
      let isReading = false;
      let isStopped = false;
      const read = async () => {
        if (isReading) return;
        isReading = true;
        for (let isWhole = false; !isWhole && !isStopped; ) {
          const found = list.read(Date.now(), RUNS_A_BREATH);
          isWhole = found.isWhole;
          const text = JSON.stringify(found.runs);
          if (text !== shown) onRuns(found.runs);
          shown = text;
          if (!isWhole) await breathe();
        }
        isReading = false;
      };
      const stopReading = every(LIST_MS, read);
      return () => {
        isStopped = true;
        stopReading();
      };
    },

    follow(id, onRun) {
      const { events, lock } = runPaths(workspace, id);
      const stopping = new AbortController();
      let view = emptyRun(id);
      const said: Said[] = [];
      let changed = false;
      let alive = lockOwner(lock)?.alive === true;
      let state = stateOf(view, alive);
      const take = (event: RunEvent) => {
        view = reduceRun(view, event);
        const task = 'task' in event ? (event.task ?? null) : null;
        const lines = plainLines(event, view);
        for (const text of lines) said.push({ task, text });
        // In large steps, and in the same array: old copies would keep what they held from being collected.
        if (said.length > 2 * KEPT_SAID) said.splice(0, said.length - KEPT_SAID);
      };
      const read = async () => {
        // All that is there before anything is shown: a run that ended long ago would pass by as one that goes on.
        const past = readEvents(events, 0);
        for (const [index, event] of past.events.entries()) {
          take(event);
          if (index % EVENTS_A_BREATH === 0) await breathe();
        }
        changed = true;
        let sinceBreath = 0;
        for await (const event of followEvents(events, past.next, stopping.signal)) {
          take(event);
          changed = true;
          sinceBreath += 1;
          if (sinceBreath % EVENTS_A_BREATH === 0) await breathe();
        }
      };
      const publish = () => {
        if (!changed) return;
        changed = false;
        state = stateOf(view, alive);
        onRun({ view, state, said: said.slice(-KEPT_SAID) });
      };
      // A folder that cannot be read is no reason to end: what was seen stays.
      read().catch((error: Error) => {
        said.push({ task: null, text: error.message });
        changed = true;
      });
      const stopPublishing = every(FOLLOW_MS, publish);
      const stopLooking = every(ALIVE_MS, () => {
        alive = lockOwner(lock)?.alive === true;
        if (stateOf(view, alive) !== state) changed = true;
      });
      return () => {
        stopping.abort();
        stopPublishing();
        stopLooking();
      };
    },

    log(id, task, onLines) {
      const paths = runPaths(workspace, id);
      const file = task === null ? paths.hostLog : paths.taskLog(task);
      return onChange([file], () => onLines(endOf(file)));
    },

    rows(id, onRows) {
      const { rows } = workspacePaths(workspace);
      if (id === null) return onChange([rows], () => onRows(rowsIn(rows)));
      const { results } = runPaths(workspace, id);
      return onChange([results, rows], () => {
        onRows(ofRun(results) ?? rowsIn(rows).filter(({ run }) => run === id));
      });
    },

    outlook(job, onOutlook) {
      let isStopped = false;
      const timer = setTimeout(async () => {
        outlooks ??= import('./outlook.ts').then((module) => new module.Outlooks(place));
        const found = await (await outlooks).of(job);
        if (!isStopped) onOutlook(found);
      }, TYPED_MS);
      return () => {
        isStopped = true;
        clearTimeout(timer);
      };
    },
  };
}

/** A file that cannot be read as rows has none to show; `capstone results` says what is wrong with it. */
function rowsIn(file: string): readonly Row[] {
  try {
    return existsSync(file) ? parseCsv(readFileSync(file, 'utf8'), file).rows : [];
  } catch {
    return [];
  }
}

function ofRun(file: string): readonly Row[] | undefined {
  try {
    return readResults(file);
  } catch {
    return [];
  }
}

function endOf(file: string): string[] {
  let open: number;
  try {
    open = openSync(file, 'r');
  } catch {
    return [];
  }
  try {
    const { size } = statSync(file);
    const bytes = Buffer.alloc(Math.min(size, LOG_BYTES));
    const read = readSync(open, bytes, 0, bytes.length, size - bytes.length);
    const text = bytes.toString('utf8', 0, read).trimEnd();
    return text === '' ? [] : text.split('\n');
  } finally {
    closeSync(open);
  }
}

/** At once, then whenever one of the files is another. */
function onChange(files: readonly string[], look: () => void): Stop {
  let before: string | undefined;
  return every(FILE_MS, () => {
    const stamps = files.map((file) => {
      const stats = statSync(file, { throwIfNoEntry: false });
      return stats === undefined ? 'none' : `${stats.ino} ${stats.size} ${stats.mtimeMs}`;
    });
    const now = stamps.join();
    if (now === before) return;
    before = now;
    look();
  });
}

/** At once, but after whoever asks has gone on; then by the clock, until it is stopped. */
function every(ms: number, act: () => void): Stop {
  const first = setImmediate(act);
  const timer = setInterval(act, ms).unref();
  return () => {
    clearImmediate(first);
    clearInterval(timer);
  };
}
