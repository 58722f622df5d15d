/** Rows as a table: identity columns stay where they are, measures scroll. */
import { identityCell, identityKey, splitIdentity } from '../../results/identity.ts';
import { inOneCell, legendFor, type Measure, measuresFor } from '../../results/measures.ts';
import { columnNamed } from '../../spec/columns.ts';
import { type ColumnName, IDENTITY_COLUMNS, type Row } from '../../spec/row.ts';
import { cell, fitLine, type Line, line, type Span, type Tone, widthOf, windowOf } from '../line.ts';
import type { Frame } from '../model.ts';
import { remembered } from '../remembered.ts';
import type { ResultsState } from './results-state.ts';

/** What is read first stands where it is seen without scrolling, also where all rows say the same. */
const FIRST: readonly ColumnName[] = [
  'compressed_acc',
  'acc_drop',
  'compressed_latency_ms',
  'speedup',
  'verdict',
  'compressed_file_size',
];

interface ShownColumn {
  readonly label: string;
  readonly column: ColumnName | undefined;
  readonly align: 'left' | 'right';
  /** Of the label and of all rows. */
  readonly width: number;
  text(row: Row): string;
}
type Unmeasured = Omit<ShownColumn, 'width'>;

/** Those that say the same of all rows can be hidden. */
export function columnsOf(
  { hidesSame }: ResultsState,
  rows: readonly Row[],
): { named: ShownColumn[]; measures: ShownColumn[] } {
  return measuredColumns(rows, hidesSame);
}

const measuredColumns = remembered((rows: readonly Row[], hidesSame: boolean) => {
  const hides = hidesSame && rows.length > 1;
  const { varying } = splitIdentity(rows);
  const named = IDENTITY_COLUMNS.filter(
    (column) => !hides || column === 'level' || varying.includes(column),
  ).map(
    (column): Unmeasured => ({
      label: column.replace('_', ' '),
      column,
      align: columnNamed(column)?.kind === 'number' ? 'right' : 'left',
      text: (row) => identityCell(row, column),
    }),
  );
  const rank = ({ column }: { readonly column?: ColumnName | undefined }) => {
    const index = column === undefined ? -1 : FIRST.indexOf(column);
    return index === -1 ? FIRST.length : index;
  };
  const measures = measuresFor(rows)
    .toSorted((a, b) => rank(a) - rank(b))
    .map(shownMeasure);
  const measured = (shown: Unmeasured) => {
    const texts = new Set(rows.map(shown.text));
    const width = Math.max(widthOf(shown.label), ...[...texts].map(widthOf));
    return { column: { ...shown, width }, differs: texts.size > 1 };
  };
  return {
    named: named.map((shown) => measured(shown).column),
    measures: measures
      .map(measured)
      .filter(({ column, differs }) => !hides || differs || rank(column) < FIRST.length)
      .map(({ column }) => column),
  };
});

function shownMeasure(measure: Measure): Unmeasured {
  const { label, column } = measure;
  return { label, column, align: 'right', text: (row) => inOneCell(measure, row) };
}

const legendOf = remembered(legendFor);

const VERDICT_TONES: Readonly<Record<NonNullable<Row['verdict']>, Tone>> = {
  faster: 'good',
  slower: 'bad',
  no_difference: 'dim',
};

export function drawTable(
  state: ResultsState,
  rows: readonly Row[],
  { columns: width }: Frame,
  height: number,
): Line[] {
  const { named, measures } = columnsOf(state, rows);
  const fixed = named.map((column) => ({ ...column, width: Math.min(24, column.width) }));
  let room = width - 4 - fixed.reduce((sum, column) => sum + column.width + 2, 0);
  const fitting = measures.slice(state.offset).filter((column) => {
    room -= column.width + 2;
    return room >= -2;
  });
  const shown = [...fixed, ...fitting];
  const more = measures.length - fitting.length;
  const header: Span[] = shown.map(({ label, align, width: wide }) => ({
    text: `${cell(label, wide, align)}  `,
    tone: 'dim',
  }));
  const legend = legendOf(rows)
    .split('\n')
    .map((text) => fitLine(line(text, 'dim'), width));
  const note = more > 0 ? [line(`← → ${more} more measures`, 'dim')] : [];
  const below = [[], ...note, ...legend].slice(0, Math.max(0, height - 4));
  const { from, to } = windowOf(rows.length, Math.min(state.at, rows.length - 1), height - 1 - below.length);
  const body = rows.slice(from, to).map((row, index): Line => {
    const isChosen = from + index === Math.min(state.at, rows.length - 1);
    const isMarked = state.marked.includes(identityKey(row));
    return fitLine(
      [
        { text: isChosen ? '> ' : '  ', tone: 'accent' },
        { text: isMarked ? '◆ ' : '  ', tone: 'warn' },
        ...shown.map((column): Span => {
          const verdict = column.column === 'verdict' ? row.verdict : null;
          const tone = verdict === null ? (isChosen ? 'chosen' : 'plain') : VERDICT_TONES[verdict];
          return { text: `${cell(column.text(row), column.width, column.align)}  `, tone };
        }),
      ],
      width,
    );
  });
  return [fitLine([{ text: '    ' }, ...header], width), ...body, ...below];
}
