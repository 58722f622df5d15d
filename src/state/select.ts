/** What follows from a run's state. */
import type { Row } from '../spec/row.ts';
import { formatBytes, formatMs, formatPercent } from '../units.ts';
import type { RunView, TaskMetric, TaskState, TaskView } from './view.ts';

export function taskOf(run: RunView, id: string): TaskView | undefined {
  const index = run.position.get(id);
  return index === undefined ? undefined : run.tasks[index];
}

export function countTasks(run: RunView): Readonly<Record<TaskState, number>> {
  const counts = { planned: 0, up_to_date: 0, queued: 0, running: 0, succeeded: 0, failed: 0, cancelled: 0 };
  for (const task of run.tasks) counts[task.state] += 1;
  return counts;
}

/** Tasks that will not change any more, of all; tasks differ too much in length for a share of time. */
export function overallProgress(run: RunView): { settled: number; total: number } {
  const { planned, queued, running } = countTasks(run);
  const total = run.tasks.length;
  return { settled: total - planned - queued - running, total };
}

/** Share of the current phase that is done, 0 to 1. */
export function phaseFraction(task: TaskView): number | null {
  if (task.progress === null || task.progress.total === 0) return null;
  return Math.min(1, task.progress.done / task.progress.total);
}

/** The most telling thing known about a task, in a few words; empty when there is none yet. */
export function headline(task: TaskView): string {
  if (task.rows.length > 0) return describeRows(task.rows);
  if (task.metric !== null) return describeMetric(task.metric);
  return task.files.map(({ bytes }) => formatBytes(bytes)).join(', ');
}

/** `epoch 3: test acc 91.73 %, loss 0.312`. */
export function describeMetric({ split, epoch, values }: TaskMetric): string {
  const ordered = Object.entries(values).sort(([a], [b]) => Number(b === 'acc') - Number(a === 'acc'));
  const described = ordered.map(([name, value]) => `${name} ${describeValue(name, value)}`);
  return `epoch ${epoch}: ${split} ${described.join(', ')}`;
}

function describeValue(name: string, value: number | null): string {
  if (value === null) return 'unknown';
  return name === 'acc' ? formatPercent(value) : value.toPrecision(3);
}

/** `batch 1: 1.31x, faster; batch 64: 1.02x, no difference; acc 91.60 %`; of a dense network `batch 1: 4.52 ms`. */
function describeRows(rows: readonly Row[]): string {
  const speeds = rows.map((row) => {
    const said = row.baseline ? [latency(row)] : [speedup(row), row.verdict?.replace('_', ' ') ?? null];
    return `batch ${row.batch_size}: ${said.filter((part) => part !== null).join(', ') || 'unknown'}`;
  });
  const acc = rows[0]?.compressed_acc ?? null;
  return [...speeds, ...(acc === null ? [] : [`acc ${formatPercent(acc)}`])].join('; ');
}

function latency({ compressed_latency_ms: ms }: Row): string | null {
  return ms === null ? null : formatMs(ms);
}

function speedup({ speedup: ratio }: Row): string | null {
  return ratio === null ? null : `${ratio.toFixed(2)}x`;
}
