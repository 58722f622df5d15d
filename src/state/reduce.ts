/** One reducer for every reader of a run's events: live output, a run that is followed, one of last week. */
import type { RunEvent } from '../spec/event.ts';
import { Row } from '../spec/row.ts';
import type { RunView, TaskView } from './view.ts';

const KEPT_METRICS = 512;
const Rows = Row.array();

export function emptyRun(id: string): RunView {
  return {
    id,
    kind: '',
    name: '',
    resumed: false,
    status: 'running',
    startedAtMs: null,
    endedAtMs: null,
    tasks: [],
    position: new Map(),
    versions: null,
    capability: null,
    log: null,
    missedBounds: [],
    best: null,
    foreignLines: null,
  };
}

/** The run after an event. Only what changed is new; an event about a task that nobody planned changes nothing. */
export function reduceRun(run: RunView, event: RunEvent): RunView {
  switch (event.type) {
    case 'run_started': {
      // A resumed run plans all its tasks anew: what it had done before is up to date now.
      const { kind, name, resumed } = event;
      return { ...emptyRun(event.run), kind, name, resumed, startedAtMs: Date.parse(event.ts) };
    }
    case 'hello': {
      const { python, torch, torchvision, numpy } = event;
      return { ...run, versions: { python, torch, torchvision, numpy } };
    }
    case 'capability': {
      const { cpu, isa, gpus } = event;
      return { ...run, capability: { cpu, isa, gpus } };
    }
    case 'task_planned': {
      const { task: id, kind, label, because, needs } = event;
      return withNewTask(run, { ...IDLE, id, kind, label, because, needs, state: 'planned' });
    }
    case 'task_up_to_date': {
      const { task: id, kind, label, because } = event;
      return withNewTask(run, { ...IDLE, id, kind, label, because, needs: [], state: 'up_to_date' });
    }
    case 'task_queued':
      return withTask(run, event.task, (task) => ({ ...task, state: 'queued' }));
    case 'task_retried':
      return withTask(run, event.task, (task) => ({
        ...task,
        ...IDLE,
        state: 'planned',
        because: event.because,
      }));
    case 'started': {
      const startedAtMs = Date.parse(event.ts);
      return withTask(run, event.task, (task) => ({
        ...task,
        state: 'running',
        pgid: event.pgid,
        startedAtMs,
      }));
    }
    case 'phase':
      return withTask(run, event.task, (task) => ({ ...task, phase: event.phase, progress: null }));
    case 'progress': {
      const { phase, done, total, unit, rate, eta_s } = event;
      const progress = { phase, done, total, unit, rate, eta_s };
      return withTask(run, event.task, (task) => ({ ...task, phase, progress }));
    }
    case 'metric': {
      const { split, epoch, values } = event;
      const metric = { split, epoch, values };
      const kept = split === 'train' ? 'trainMetrics' : 'testMetrics';
      return withTask(run, event.task, (task) => ({
        ...task,
        metric,
        [kept]: [...task[kept].slice(1 - KEPT_METRICS), metric],
      }));
    }
    case 'log': {
      const { level, message } = event;
      const log = { level, message };
      if (event.task === undefined) return { ...run, log };
      return withTask(run, event.task, (task) => ({ ...task, log }));
    }
    case 'artifact': {
      const { path, bytes, sha256 } = event;
      return withTask(run, event.task, (task) => ({
        ...task,
        files: [...task.files, { path, bytes, sha256 }],
      }));
    }
    case 'result': {
      const rows = Rows.safeParse(event.values['rows']);
      if (!rows.success) return run;
      return withTask(run, event.task, (task) => ({ ...task, rows: rows.data }));
    }
    case 'error':
      return withTask(run, event.task, (task) => ({ ...task, traceback: event.traceback }));
    case 'done':
      return run;
    case 'usage': {
      const { cpu_percent, memory_bytes, gpu_percent, gpu_memory_bytes } = event;
      const usage = { cpu_percent, memory_bytes, gpu_percent, gpu_memory_bytes };
      return withTask(run, event.task, (task) => ({ ...task, usage }));
    }
    case 'ended':
      return withTask(run, event.task, (task) => ({ ...task, ...OVER }));
    case 'task_succeeded':
      return withTask(run, event.task, (task) => ({ ...task, state: 'succeeded', seconds: event.seconds }));
    case 'task_failed': {
      const { code, message, hint, exit_code, signal, missing, log_tail } = event;
      const failure = { code, message, hint, exit_code, signal, missing, log_tail };
      return withTask(run, event.task, (task) => ({ ...stopped(task, event.ts), state: 'failed', failure }));
    }
    case 'task_cancelled': {
      const { because } = event;
      return withTask(run, event.task, (task) => ({
        ...stopped(task, event.ts),
        state: 'cancelled',
        because,
      }));
    }
    case 'run_stopping':
      return { ...run, status: 'stopping' };
    case 'bound_missed': {
      const { bound, row, found } = event;
      return { ...run, missedBounds: [...run.missedBounds, { bound, row, found }] };
    }
    case 'run_ended':
      return {
        ...run,
        status: event.outcome,
        best: event.best,
        endedAtMs: Date.parse(event.ts),
        foreignLines: event.foreign_lines,
      };
  }
}

/** A task that has not begun. */
const IDLE = {
  pgid: null,
  startedAtMs: null,
  seconds: null,
  phase: null,
  progress: null,
  metric: null,
  testMetrics: [],
  trainMetrics: [],
  usage: null,
  log: null,
  files: [],
  rows: [],
  traceback: null,
  failure: null,
} as const;

/** What holds of a task only while it runs. */
const OVER = { pgid: null, phase: null, progress: null, usage: null } as const;

/** A task may end without an `ended`: its host is gone. */
function stopped(task: TaskView, ts: string): TaskView {
  const seconds = task.startedAtMs === null ? null : (Date.parse(ts) - task.startedAtMs) / 1000;
  return { ...task, ...OVER, seconds };
}

function withNewTask(run: RunView, task: TaskView): RunView {
  return {
    ...run,
    tasks: [...run.tasks, task],
    position: new Map(run.position).set(task.id, run.tasks.length),
  };
}

function withTask(run: RunView, id: string, change: (task: TaskView) => TaskView): RunView {
  const index = run.position.get(id);
  const task = index === undefined ? undefined : run.tasks[index];
  if (index === undefined || task === undefined) return run;
  return { ...run, tasks: run.tasks.with(index, change(task)) };
}
