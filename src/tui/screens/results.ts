/** Rows of a run or of all: as a table, as a scatter of two measures, or two of them side by side. */
import {
  comparisonToCsv,
  comparisonToJson,
  comparisonToMarkdown,
  comparisonToTable,
} from '../../results/compare.ts';
import { rowsToCsv } from '../../results/csv.ts';
import { identityKey, phrases, splitIdentity } from '../../results/identity.ts';
import { toJson } from '../../results/json.ts';
import { toMarkdown } from '../../results/markdown.ts';
import { printable } from '../../results/printable.ts';
import { columnNamed } from '../../spec/columns.ts';
import { drawExpressionProblem, parseExpression } from '../../spec/expression.ts';
import type { Row } from '../../spec/row.ts';
import { type Binding, moves } from '../keymap.ts';
import { fitLine, type Line, line } from '../line.ts';
import type { Change, Frame, Model } from '../model.ts';
import { remembered } from '../remembered.ts';
import { drawPlot, nextAxis } from './results-scatter.ts';
import { type ResultsState, shownRows } from './results-state.ts';
import { columnsOf, drawTable } from './results-table.ts';

/** At most so many lines stand side by side; a cursor among them scrolls. */
const PAIR_LINES = 80;

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
function exported(state: ResultsState, model: Model, format: Format): string {
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
