import { EXIT } from '../../errors/errors.ts';
import { drawGrid, type GridColumn } from '../../results/grid.ts';
import { printable } from '../../results/printable.ts';
import type { RunSummary } from '../../state/summary.ts';
import { runIds } from '../../store/runs.ts';
import { formatDuration } from '../../units.ts';
import { defineCommand } from '../definition.ts';
import { PLACE_FLAGS, placeFrom } from '../place.ts';
import { readSummary } from './read-summary.ts';

const COLUMNS: readonly GridColumn[] = [
  { label: 'run', align: 'left' },
  { label: 'kind', align: 'left' },
  { label: 'name', align: 'left' },
  { label: 'state', align: 'left' },
  { label: 'started', align: 'left' },
  { label: 'took', align: 'right' },
  { label: 'tasks', align: 'right' },
  { label: 'best', align: 'left' },
];

export const list = defineCommand({
  summary: 'Every run, newest first',
  examples: ['capstone runs', 'capstone runs list --json'],
  flags: [
    { name: '--json', description: 'Print a JSON array instead, with times in milliseconds since 1970.' },
    ...PLACE_FLAGS,
  ],
  async run(flags, _args, io) {
    const { workspace } = placeFrom(flags, io);
    const now = Date.now();
    const runs = runIds(workspace).map((id) => readSummary(workspace, id, now));
    io.stdout.write(flags['--json'] === true ? `${JSON.stringify(runs, null, 2)}\n` : drawRuns(runs));
    return EXIT.done;
  },
});

export function drawRuns(runs: readonly RunSummary[]): string {
  if (runs.length === 0) return 'No runs yet. Start one: capstone sweep\n';
  const cells = runs.map((run) => [
    run.id,
    printable(run.kind),
    printable(run.name),
    run.state,
    run.started_at_ms === null ? '' : drawTime(run.started_at_ms),
    run.seconds === null ? '' : formatDuration(run.seconds),
    `${run.tasks.done} of ${run.tasks.total}`,
    printable([drawMissed(run.bounds_missed), run.best ?? ''].filter((text) => text !== '').join('; ')),
  ]);
  return `${drawGrid(COLUMNS, cells).join('\n')}\n`;
}

/** `2026-11-24 03:45` UTC, as in the id. */
function drawTime(ms: number): string {
  return new Date(ms).toISOString().slice(0, 16).replace('T', ' ');
}

function drawMissed(count: number): string {
  if (count === 0) return '';
  return `${count} ${count === 1 ? 'bound' : 'bounds'} missed`;
}
