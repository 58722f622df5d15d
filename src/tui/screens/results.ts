/** Rows of a run or of all: as a table, as a scatter of two measures, or two of them side by side. */
import { besideDense } from '../../results/beside-dense.ts';
import {
  comparisonToCsv,
  comparisonToJson,
  comparisonToMarkdown,
  comparisonToTable,
} from '../../results/compare.ts';
import { rowsToCsv } from '../../results/csv.ts';
import { identityCell, identityKey, phrases, splitIdentity } from '../../results/identity.ts';
import { toJson } from '../../results/json.ts';
import { isDense } from '../../results/line.ts';
import { toMarkdown } from '../../results/markdown.ts';
import { inOneCell, legendFor, type Measure, measuresFor } from '../../results/measures.ts';
import { frontier, type Goal } from '../../results/pareto.ts';
import { printable } from '../../results/printable.ts';
import { type SortKey, sortLines } from '../../results/sort.ts';
import { columnNamed } from '../../spec/columns.ts';
import { drawExpressionProblem, matches, parseExpression } from '../../spec/expression.ts';
import { type ColumnName, IDENTITY_COLUMNS, type Row } from '../../spec/row.ts';
import { drawScatter } from '../drawings/scatter.ts';
import { type Binding, moves } from '../keymap.ts';
import { cell, fitLine, type Line, line, type Span, type Tone, widthOf, windowOf, wrap } from '../line.ts';
import type { Change, Frame, Model } from '../model.ts';
import { remembered } from '../remembered.ts';

/** What a scatter can show, in the order it goes through. */
export const AXES: readonly Goal[] = [
  { column: 'compressed_latency_ms', better: 'lower' },
  { column: 'compressed_file_size', better: 'lower' },
  { column: 'compressed_acc', better: 'higher' },
  { column: 'speedup', better: 'higher' },
  { column: 'acc_drop', better: 'lower' },
  { column: 'compressed_nonzero', better: 'lower' },
];

/** At most so many lines stand side by side; a cursor among them scrolls. */
const PAIR_LINES = 80;

export interface ResultsState {
  readonly screen: 'results';
  /** Null: of all. */
  readonly run: string | null;
  readonly view: 'table' | 'scatter' | 'pair';
  readonly at: number;
  /** First measure shown. */
  readonly offset: number;
  readonly sort: SortKey | null;
  readonly where: string;
  readonly hidesSame: boolean;
  /** By identity. */
  readonly marked: readonly string[];
  /** Indices in AXES. */
  readonly x: number;
  readonly y: number;
}

export function results(run: string | null): ResultsState {
  return {
    screen: 'results',
    run,
    view: 'table',
    at: 0,
    offset: 0,
    sort: null,
    where: '',
    hidesSame: true,
    marked: [],
    x: 0,
    y: 2,
  };
}

/** Those that meet the condition, sorted. A condition that is none shows all: the prompt says what is wrong. */
export function shownRows({ where, sort }: ResultsState, { rows }: Model): readonly Row[] {
  return rows === null ? [] : sortedRows(rows, where, sort);
}

const sortedRows = remembered((rows: readonly Row[], where: string, sort: SortKey | null): readonly Row[] => {
  const parsed = where.trim() === '' ? undefined : parseExpression(where);
  const met = rows.filter((row) => parsed === undefined || !parsed.ok || matches(parsed.expression, row));
  return sortLines(met, sort === null ? [] : [sort]);
});

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

/** Identity columns stay where they are; measures scroll. Those that say the same of all rows can be hidden. */
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

const FORMATS = ['csv', 'json', 'md'] as const;
type Format = (typeof FORMATS)[number];
const OF_ROWS: Readonly<Record<Format, (rows: readonly Row[]) => string>> = {
  csv: rowsToCsv,
  json: toJson,
  md: toMarkdown,
};
const OF_PAIR: Readonly<Record<Format, (a: Row, b: Row) => string>> = {
  csv: comparisonToCsv,
  json: comparisonToJson,
  md: comparisonToMarkdown,
};

/** The first two rows that are marked. */
function pairOf(state: ResultsState, model: Model): readonly [Row, Row] | undefined {
  if (state.marked.length < 2) return undefined;
  const [a, b] = shownRows(state, model).filter((row) => state.marked.includes(identityKey(row)));
  return a === undefined || b === undefined ? undefined : [a, b];
}

/** What is shown, as a file. */
export function exported(state: ResultsState, model: Model, format: Format): string {
  const pair = state.view === 'pair' ? pairOf(state, model) : undefined;
  return pair === undefined ? OF_ROWS[format](shownRows(state, model)) : OF_PAIR[format](...pair);
}

function askWhere(state: ResultsState, value: string, problem: string): Change {
  return {
    prompt: {
      kind: 'text',
      title: 'only rows where',
      value,
      hint: problem === '' ? 'such as level>=3 and acc_drop<=0.5; empty: all' : problem,
      isWrong: problem !== '',
      done(text) {
        const parsed = text.trim() === '' ? undefined : parseExpression(text);
        if (parsed === undefined || parsed.ok) return { state: { ...state, where: text, at: 0 } };
        const said = drawExpressionProblem(text, parsed.problem).split('\n').at(-1) ?? '';
        return askWhere(state, text, said.trim().replace(/^\^ /, `at ${parsed.problem.at + 1}: `));
      },
    },
  };
}

export const RESULTS_KEYS: readonly Binding<ResultsState>[] = [
  {
    keys: ['v', 'tab'],
    label: 'view',
    help: 'as a table, or as a scatter of two measures',
    act: (state) => ({ state: { ...state, view: state.view === 'table' ? 'scatter' : 'table' } }),
  },
  {
    keys: ['space', 'm'],
    label: 'mark',
    help: 'mark the row: lit in the scatter, compared by =',
    act(state, model) {
      const row = shownRows(state, model)[state.at];
      if (row === undefined) return {};
      const key = identityKey(row);
      const marked = state.marked.includes(key)
        ? state.marked.filter((other) => other !== key)
        : [...state.marked, key];
      return { state: { ...state, marked } };
    },
  },
  {
    keys: ['=', 'c'],
    label: 'compare',
    help: 'the first two marked rows side by side',
    act: (state, model) =>
      pairOf(state, model) === undefined
        ? { notice: { text: 'mark two of these rows first, with Space', tone: 'plain' } }
        : { state: { ...state, view: state.view === 'pair' ? 'table' : 'pair', at: 0 } },
  },
  {
    keys: ['/', 'w'],
    label: 'where',
    help: 'only rows that meet a condition',
    act: (state) => askWhere(state, state.where, ''),
  },
  {
    keys: ['s'],
    label: 'sort',
    help: 'by another column; the same again: the other way round',
    act(state, model) {
      const { named, measures } = columnsOf(state, shownRows(state, model));
      const columns = [...named, ...measures].filter((shown) => shown.column !== undefined);
      return {
        prompt: {
          kind: 'choose',
          title: 'sort by',
          options: columns.map(({ label }) => label),
          chosen: Math.max(
            0,
            columns.findIndex(({ column }) => column === state.sort?.column),
          ),
          done(index) {
            const column = columns[index]?.column;
            if (column === undefined) return {};
            const descending =
              state.sort?.column === column
                ? !state.sort.descending
                : columnNamed(column)?.better === 'higher';
            return { state: { ...state, sort: { column, descending } } };
          },
        },
      };
    },
  },
  {
    keys: ['e'],
    label: 'export',
    help: 'write what is shown to a CSV, JSON or Markdown file',
    act: (state) => ({
      prompt: {
        kind: 'choose',
        title: 'export as',
        options: ['CSV', 'JSON', 'Markdown'],
        chosen: 0,
        done(index) {
          const format = FORMATS[index] ?? 'csv';
          return {
            prompt: {
              kind: 'text',
              title: 'write to',
              value: `results.${format}`,
              hint: 'a file there is replaced',
              done: (path, model) => ({ ask: { ask: 'write', path, text: exported(state, model, format) } }),
            },
          };
        },
      },
    }),
  },
  {
    keys: ['h'],
    label: 'hide same',
    help: 'hide columns in which all rows say the same, or show them',
    act: (state) => ({ state: { ...state, hidesSame: !state.hidesSame, offset: 0 } }),
  },
  {
    keys: ['right', '>'],
    label: '',
    help: 'measures further right',
    act(state, model) {
      const { measures } = columnsOf(state, shownRows(state, model));
      return { state: { ...state, offset: Math.min(measures.length - 1, state.offset + 1) } };
    },
  },
  {
    keys: ['left', '<'],
    label: '',
    help: 'measures further left',
    act: (state) => ({ state: { ...state, offset: Math.max(0, state.offset - 1) } }),
  },
  {
    keys: ['x'],
    label: '',
    help: 'another measure along the scatter’s horizontal axis',
    act: (state) => ({ state: { ...state, x: nextAxis(state.x, state.y) } }),
  },
  {
    keys: ['y'],
    label: '',
    help: 'another measure along its vertical axis',
    act: (state) => ({ state: { ...state, y: nextAxis(state.y, state.x) } }),
  },
  ...moves<ResultsState>(
    'row',
    (state, model) => ({
      at: state.at,
      count: state.view === 'pair' ? PAIR_LINES : shownRows(state, model).length,
    }),
    (state, at) => ({ state: { ...state, at } }),
  ),
];

function nextAxis(current: number, taken: number): number {
  const next = (current + 1) % AXES.length;
  return next === taken ? (next + 1) % AXES.length : next;
}

export function drawResults(state: ResultsState, model: Model, frame: Frame, height: number): Line[] {
  if (model.rows === null) return [line('reading the rows', 'dim')];
  if (model.rows.length === 0) {
    return [line('No rows yet: a benchmark writes them, one for each level and batch size.')];
  }
  const rows = shownRows(state, model);
  const head = drawHead(state, rows, model.rows.length, frame);
  const room = height - head.length;
  if (rows.length === 0) return [...head, line('no row meets the condition', 'dim')];
  switch (state.view) {
    case 'table':
      return [...head, ...drawTable(state, rows, frame, room)];
    case 'scatter':
      return [...head, ...drawPlot(state, rows, frame, room)];
    case 'pair': {
      const pair = pairOf(state, model);
      if (pair === undefined) return [...head, line('fewer than two rows are marked', 'dim')];
      const texts = comparisonToTable(...pair)
        .trimEnd()
        .split('\n');
      const from = Math.min(state.at, Math.max(0, texts.length - room));
      return [...head, ...texts.slice(from, from + room).map((text) => fitLine(line(text), frame.columns))];
    }
  }
}

const identityOf = remembered(splitIdentity);
const legendOf = remembered(legendFor);
const besideDenseOf = remembered((rows: readonly Row[], x: Goal, y: Goal) => besideDense(rows, [x, y]));
const unbeaten = remembered(
  (rows: readonly Row[], x: Goal, y: Goal) => new Set(frontier(rows, [x, y]).lines),
);

function drawHead(state: ResultsState, rows: readonly Row[], total: number, { columns }: Frame): Line[] {
  const [first] = rows;
  const { common } = identityOf(rows);
  const counted = rows.length === total ? `${total} rows` : `${rows.length} of ${total} rows`;
  const parts = [
    state.run ?? 'all runs',
    counted,
    ...(state.marked.length === 0 ? [] : [`${state.marked.length} marked`]),
    ...(state.where === '' ? [] : [`where ${printable(state.where)}`]),
    ...(state.sort === null ? [] : [`by ${state.sort.column} ${state.sort.descending ? '↓' : '↑'}`]),
  ];
  const shared = first === undefined || !state.hidesSame ? '' : phrases(first, common).join(' · ');
  return [
    fitLine(line(parts.join(' · '), 'title'), columns),
    ...(shared === '' ? [] : [fitLine(line(shared, 'dim'), columns)]),
    [],
  ];
}

const VERDICT_TONES: Readonly<Record<NonNullable<Row['verdict']>, Tone>> = {
  faster: 'good',
  slower: 'bad',
  no_difference: 'dim',
};

function drawTable(
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

function drawPlot(state: ResultsState, rows: readonly Row[], { columns }: Frame, height: number): Line[] {
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
