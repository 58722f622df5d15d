import { join, relative } from 'node:path';
import { EXIT } from '../../errors/errors.ts';
import { describeMissed } from '../../results/bounds.ts';
import { printable } from '../../results/printable.ts';
import { sortLines } from '../../results/sort.ts';
import { toTable } from '../../results/table.ts';
import type { Row } from '../../spec/row.ts';
import { countTasks, headline } from '../../state/select.ts';
import type { RunState } from '../../state/summary.ts';
import type { RunView, TaskState, TaskView } from '../../state/view.ts';
import { runPaths } from '../../store/paths.ts';
import { readResults } from '../../store/results.ts';
import { findRun } from '../../store/runs.ts';
import { formatBytes, formatDuration } from '../../units.ts';
import { defineCommand } from '../definition.ts';
import { PLACE_FLAGS, placeFrom } from '../place.ts';
import { RUN_ARGUMENT } from './arguments.ts';
import { readState } from './read-summary.ts';

const LOG_LINES = 10;
const WIDTH = 100;
const STATES: Readonly<Record<TaskState, string>> = {
  planned: 'planned',
  up_to_date: 'up to date',
  queued: 'queued',
  running: 'running',
  succeeded: 'succeeded',
  failed: 'failed',
  cancelled: 'cancelled',
};

export const show = defineCommand({
  summary: 'Tasks of a run with states and reasons, failures, files, rows',
  examples: ['capstone runs show latest', 'capstone runs show 20261124T0345 --json'],
  arguments: [RUN_ARGUMENT],
  flags: [{ name: '--json', description: 'Print a JSON object instead.' }, ...PLACE_FLAGS],
  async run(flags, args, io) {
    const { workspace } = placeFrom(flags, io);
    const id = findRun(workspace, args[0] ?? '');
    const { state, view } = readState(workspace, id);
    const { results, folder } = runPaths(workspace, id);
    const rows: readonly Row[] = readResults(results) ?? view.tasks.flatMap((task) => task.rows);
    if (flags['--json'] === true) {
      const { position: _position, ...said } = view;
      io.stdout.write(`${JSON.stringify({ ...said, state, folder, rows }, null, 2)}\n`);
      return EXIT.done;
    }
    const width = io.stdout.columns ?? WIDTH;
    const place = { folder: relative(io.cwd, folder) || '.', cwd: io.cwd };
    io.stdout.write(drawRun(view, state, place));
    if (rows.length > 0) io.stdout.write(`\n${toTable(sortLines(rows, []), { width })}`);
    return EXIT.done;
  },
});

export function drawRun(
  view: RunView,
  state: RunState,
  { folder, cwd }: { folder: string; cwd: string },
): string {
  const counts = Object.entries(countTasks(view)).filter(([, count]) => count > 0);
  const tasks = counts.map(([name, count]) => `${count} ${STATES[name as TaskState]}`).join(', ');
  const started = view.startedAtMs === null ? '' : `, started ${new Date(view.startedAtMs).toISOString()}`;
  const took =
    view.startedAtMs === null || view.endedAtMs === null
      ? ''
      : `, took ${formatDuration((view.endedAtMs - view.startedAtMs) / 1000)}`;
  const lines = [
    view.id,
    `${view.kind} ${view.name}: ${state}${started}${took}`,
    `tasks: ${tasks || 'none'}`,
    `folder: ${folder}`,
    ...view.missedBounds.map(describeMissed),
    '',
    ...view.tasks.flatMap((task) => drawTask(task, folder, cwd)),
  ];
  return lines.map((line) => `${printable(line)}\n`).join('');
}

function drawTask(task: TaskView, folder: string, cwd: string): string[] {
  const said = headline(task);
  const took = task.seconds === null ? '' : ` in ${formatDuration(task.seconds)}`;
  return [
    `${task.label}: ${STATES[task.state]}${took}${said === '' ? '' : `, ${said}`}`,
    `  ${task.id}`,
    ...(task.because === '' ? [] : [`  ${task.because}`]),
    ...task.files.map(({ path, bytes }) => `  wrote ${relative(cwd, path)}, ${formatBytes(bytes)}`),
    ...drawFailure(task, folder),
  ];
}

function drawFailure({ id, failure, traceback }: TaskView, folder: string): string[] {
  if (failure === null) return [];
  const end = (traceback ?? failure.log_tail).trimEnd();
  const tail = end === '' ? [] : end.split('\n').slice(-LOG_LINES);
  return [
    `  failed: ${failure.message}`,
    ...(failure.hint === '' ? [] : [`  ${failure.hint}`]),
    ...(tail.length === 0 ? [] : [`  the end of ${join(folder, 'logs', `${id}.log`)}:`]),
    ...tail.map((line) => `    ${line}`),
  ];
}
