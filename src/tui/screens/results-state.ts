/** What is shown of the rows, and which of them. */
import { type SortKey, sortLines } from '../../results/sort.ts';
import { matches, parseExpression } from '../../spec/expression.ts';
import type { Row } from '../../spec/row.ts';
import type { Model } from '../model.ts';
import { remembered } from '../remembered.ts';

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
