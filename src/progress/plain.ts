/** One line a step, for logs and pipes: no escape codes, nothing drawn twice. */
import { describeMissed } from '../results/bounds.ts';
import { printable } from '../results/printable.ts';
import type { RunEvent } from '../spec/event.ts';
import { emptyRun, reduceRun } from '../state/reduce.ts';
import { describeMetric, headline, taskOf } from '../state/select.ts';
import type { RunView, TaskView } from '../state/view.ts';
import { formatBytes, formatDuration } from '../units.ts';
import type { Progress } from './progress.ts';

const DETAIL_LINES = 20;

export function plainOutput(stream: NodeJS.WritableStream): Progress {
  let run = emptyRun('');
  return {
    event(event) {
      run = reduceRun(run, event);
      for (const line of plainLines(event, run)) stream.write(`${line}\n`);
    },
    close() {},
  };
}

/** What an event is worth saying; `run` is the state after it. The first line is the event, any others are details. */
export function plainLines(event: RunEvent, run: RunView): string[] {
  return lines(event, run).map(printable);
}

function lines(event: RunEvent, run: RunView): string[] {
  const task = 'task' in event && event.task !== undefined ? taskOf(run, event.task) : undefined;
  const label = task?.label ?? 'host';
  switch (event.type) {
    case 'run_started':
      return [`${event.kind} ${event.name}: ${event.resumed ? 'resumed' : 'started'}, run ${run.id}`];
    case 'hello':
      return [`host: ready, Python ${event.python}, torch ${event.torch}`];
    case 'task_up_to_date':
      return [`${label}: up to date, ${event.because}`];
    case 'started':
      return [`${label}: started, ${task?.because}`];
    case 'phase':
      // Once there are metrics they say where a task is; the phases of each epoch would only repeat it.
      return task?.metric === null ? [`${label}: ${event.phase}`] : [];
    case 'metric':
      return [`${label}: ${describeMetric(event)}`];
    case 'log': {
      const level = event.level === 'info' ? '' : `${event.level}: `;
      const [first = '', ...details] = event.message.split('\n');
      return [`${label}: ${level}${first}`, ...indented(details)];
    }
    case 'artifact':
      return [`${label}: wrote ${event.path}, ${formatBytes(event.bytes)}`];
    case 'task_succeeded': {
      const outcome = task === undefined ? '' : headline(task);
      return [`${label}: done in ${formatDuration(event.seconds)}${outcome === '' ? '' : `, ${outcome}`}`];
    }
    case 'task_failed':
      return [`${label}: failed: ${event.message}`, ...(task === undefined ? [] : failureDetails(task))];
    case 'task_cancelled':
      return [`${label}: cancelled: ${event.because}`];
    case 'task_retried':
      return [`${label}: runs again: ${event.because}`];
    case 'run_stopping':
      return [`${run.name}: stopping at the next safe point; Ctrl-C again ends it at once`];
    case 'bound_missed':
      return [describeMissed(event)];
    case 'run_ended': {
      const { succeeded, up_to_date, failed, cancelled } = event;
      const counts = Object.entries({ succeeded, 'up to date': up_to_date, failed, cancelled });
      const said = counts.filter(([, count]) => count > 0).map(([state, count]) => `${count} ${state}`);
      return [
        `${run.name}: ${event.outcome} in ${formatDuration(event.seconds)}, tasks: ${said.join(', ') || 'none'}`,
      ];
    }
    case 'task_planned':
    case 'task_queued':
    case 'capability':
    case 'progress':
    case 'result':
    case 'error':
    case 'done':
    case 'usage':
    case 'ended':
      return [];
  }
}

/** What to do about it, then the stack of a fault of ours, or else the end of the task's log. */
function failureDetails({ failure, traceback }: TaskView): string[] {
  const hint = failure?.hint ?? '';
  const log = traceback ?? failure?.log_tail ?? '';
  return indented([
    ...(hint === '' ? [] : [hint]),
    ...(log.trim() === '' ? [] : log.trimEnd().split('\n').slice(-DETAIL_LINES)),
  ]);
}

function indented(details: readonly string[]): string[] {
  return details.map((detail) => `  ${detail}`);
}
