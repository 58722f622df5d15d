/** Rows as a scatter of two measures, those that no other beats lit. */
import { besideDense } from '../../results/beside-dense.ts';
import { identityKey, phrases, splitIdentity } from '../../results/identity.ts';
import { isDense } from '../../results/line.ts';
import { frontier, type Goal } from '../../results/pareto.ts';
import { columnNamed } from '../../spec/columns.ts';
import type { ColumnName, Row } from '../../spec/row.ts';
import { drawScatter } from '../drawings/scatter.ts';
import { fitLine, type Line, line, type Tone, wrap } from '../line.ts';
import type { Frame } from '../model.ts';
import { remembered } from '../remembered.ts';
import type { ResultsState } from './results-state.ts';

/** What a scatter can show, in the order it goes through. */
const AXES: readonly Goal[] = [
  { column: 'compressed_latency_ms', better: 'lower' },
  { column: 'compressed_file_size', better: 'lower' },
  { column: 'compressed_acc', better: 'higher' },
  { column: 'speedup', better: 'higher' },
  { column: 'acc_drop', better: 'lower' },
  { column: 'compressed_nonzero', better: 'lower' },
];

/** The next of AXES, but for the one that the other axis shows. */
export function nextAxis(current: number, taken: number): number {
  const next = (current + 1) % AXES.length;
  return next === taken ? (next + 1) % AXES.length : next;
}

const besideDenseOf = remembered((rows: readonly Row[], x: Goal, y: Goal) => besideDense(rows, [x, y]));
const unbeaten = remembered(
  (rows: readonly Row[], x: Goal, y: Goal) => new Set(frontier(rows, [x, y]).lines),
);

export function drawPlot(
  state: ResultsState,
  rows: readonly Row[],
  { columns }: Frame,
  height: number,
): Line[] {
  const [x, y] = [AXES[state.x], AXES[state.y]];
  if (x === undefined || y === undefined) return [];
  const best = unbeaten(rows, x, y);
  const chosen = rows[Math.min(state.at, rows.length - 1)];
  const points = rows.flatMap((row) => {
    const [across, up] = [row[x.column], row[y.column]];
    if (typeof across !== 'number' || typeof up !== 'number') return [];
    const look = lookOf(row === chosen, state.marked.includes(identityKey(row)), best.has(row), isDense(row));
    return [{ x: across, y: up, ...look }];
  });
  const { varying } = splitIdentity(rows);
  const named =
    chosen === undefined ? '' : phrases(chosen, varying.length === 0 ? ['level'] : varying).join(' · ');
  const values =
    chosen === undefined ? [] : [x, y].map(({ column }) => `${column} ${textOf(chosen, column)}`);
  const dense: Line[] = rows.some(isDense)
    ? [
        [
          { text: '■ ', tone: 'good' },
          { text: '□ ', tone: 'dim' },
          { text: 'the same of dense networks, which were never compressed' },
        ],
        ...[besideDenseOf(rows, x, y) ?? []]
          .flat()
          .flatMap((said) => wrap(said, columns))
          .map((text) => line(text, 'dim')),
      ]
    : [];
  return [
    ...drawScatter(points, axis(x), axis(y), columns, Math.max(6, height - 3 - dense.length)),
    [],
    fitLine([{ text: '@ ', tone: 'accent' }, { text: [named, ...values].join(' · ') }], columns),
    fitLine(
      [
        { text: '● ', tone: 'good' },
        { text: 'no other row beats it   ' },
        { text: '· ', tone: 'dim' },
        { text: 'beaten   ' },
        { text: '◆ ', tone: 'warn' },
        { text: 'marked   ' },
        { text: '@ ', tone: 'accent' },
        { text: 'under the cursor   x y  other measures' },
      ],
      columns,
    ),
    ...dense.map((spans) => fitLine(spans, columns)),
  ];
}

function lookOf(
  isChosen: boolean,
  isMarked: boolean,
  isBest: boolean,
  isDense: boolean,
): { mark: string; tone: Tone; weight: number } {
  if (isChosen) return { mark: '@', tone: 'accent', weight: 3 };
  if (isMarked) return { mark: '◆', tone: 'warn', weight: 2 };
  const [best, beaten] = isDense ? ['■', '□'] : ['●', '·'];
  return isBest ? { mark: best, tone: 'good', weight: 1 } : { mark: beaten, tone: 'dim', weight: 0 };
}

function axis({ column, better }: Goal) {
  return {
    label: `${column} (${better} is better)`,
    format: (value: number) => formatted(column, value),
  };
}

function textOf(row: Row, name: ColumnName): string {
  const value = row[name];
  return typeof value === 'number' ? formatted(name, value) : '–';
}

function formatted(name: ColumnName, value: number): string {
  const column = columnNamed(name);
  const unit = column?.unit === undefined || name.endsWith(`_${column.unit}`) ? '' : ` ${column.unit}`;
  return `${value.toFixed(column?.kind === 'number' ? column.decimals : 2)}${unit}`;
}
