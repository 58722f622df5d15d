/**
 * Lines for people who rank: one for each row, in the order they come, with the columns they were ranked by. What all
 * rows share stands below.
 */
import { columnNamed } from '../spec/columns.ts';
import { type ColumnName, IDENTITY_COLUMNS } from '../spec/row.ts';
import { drawGrid } from './grid.ts';
import { identityCell, phrases, splitIdentity } from './identity.ts';
import type { Line } from './line.ts';
import { figure, legendFor, type Measure, measuresFor, UNKNOWN } from './measures.ts';
import { fixed } from './number.ts';
import { printable } from './printable.ts';

/** `ranked`: the columns that the user named. */
export function toList(lines: readonly Line[], ranked: readonly ColumnName[]): string {
  const [first] = lines;
  if (first === undefined) return 'No results.\n';
  const { varying, common } = splitIdentity(lines);
  const named = IDENTITY_COLUMNS.filter((column) => column === 'level' || varying.includes(column));
  const measures = measuresOf(lines, ranked);
  const grid = drawGrid(
    [
      ...named.map((column) => ({ label: column.replace('_', ' '), align: alignOf(column) })),
      ...measures.map(({ label, column }) => ({ label, align: alignOf(column) })),
    ],
    lines.map((line) => [
      ...named.map((column) => identityCell(line, column)),
      ...measures.map((measure) => measure.compressed(line)),
    ]),
  );
  const shared = phrases(
    first,
    common.filter((column) => !named.includes(column)),
  );
  return `${[...grid, '', shared.join(' · '), legendFor(lines)].join('\n')}\n`;
}

/** The usual ones, then those of the named columns that none of them shows. */
function measuresOf(
  lines: readonly Line[],
  ranked: readonly ColumnName[],
): Pick<Measure, 'label' | 'column' | 'compressed'>[] {
  const usual = measuresFor(lines).filter(({ ranks }) => ranks === true);
  const shown = new Set<ColumnName | undefined>([...IDENTITY_COLUMNS, ...usual.map(({ column }) => column)]);
  const added = [...new Set(ranked)].filter((column) => !shown.has(column));
  return [
    ...usual,
    ...added.map((column) => ({
      label: column,
      column,
      compressed: (line: Line) => cell(line, column),
    })),
  ];
}

function cell(line: Line, name: ColumnName): string {
  const column = columnNamed(name);
  if (column?.kind === 'number') return figure(line, name, (value) => fixed(value, column.decimals));
  return printable(String(line[name] ?? UNKNOWN));
}

function alignOf(name: ColumnName | undefined): 'left' | 'right' {
  return name !== undefined && columnNamed(name)?.kind === 'number' ? 'right' : 'left';
}
