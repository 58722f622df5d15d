/**
 * benchmark_levels.csv. The same rows give the same bytes, here and in py/capstone_worker/rows.py; the tests of both
 * languages compare with test/fixtures/rows.csv.
 */
import Papa from 'papaparse';
import { UserError } from '../errors/errors.ts';
import { check } from '../spec/check.ts';
import { type Column, ROW_COLUMNS } from '../spec/columns.ts';
import { drawProblem } from '../spec/draw-problem.ts';
import { nearest } from '../spec/nearest.ts';
import { Row } from '../spec/row.ts';
import { compareRows } from './identity.ts';
import { fixed } from './number.ts';

/** Of problems: one that every line has fills the screen. */
const SHOWN = 20;
const NAMES = ROW_COLUMNS.map((column) => column.name);
const COLUMN_OF = new Map<string, Column>(ROW_COLUMNS.map((column) => [column.name, column]));

/** The file: sorted by identity. */
export function toCsv(rows: readonly Row[]): string {
  return rowsToCsv(rows.toSorted(compareRows));
}

/** In the order of the rows. */
export function rowsToCsv(rows: readonly Row[]): string {
  const data = rows.map((row) => ROW_COLUMNS.map((column) => cell(row, column)));
  return `${Papa.unparse([NAMES, ...data], { newline: '\n' })}\n`;
}

/**
 * Rows of a file's text, columns in any order, an absent one unknown. A file that cannot be read whole is refused,
 * with every problem: it is about to be rewritten, and what was not understood would be lost.
 */
export function parseCsv(text: string, file = 'benchmark_levels.csv'): { rows: Row[] } {
  const parsed = Papa.parse<string[]>(text, { delimiter: ',' });
  const problems = parsed.errors.map(({ message, row }) => `${file}, line ${(row ?? 0) + 1}: ${message}`);
  const rows: Row[] = [];
  let lines: readonly number[] | undefined;
  const placeOf = (index: number) => {
    lines ??= firstLines(parsed.data);
    return `${file}, line ${lines[index]}`;
  };
  let columns: Column[] | undefined;
  for (const [index, cells] of parsed.data.entries()) {
    if (cells.length === 1 && cells[0] === '') continue;
    if (columns === undefined) {
      const found = headerProblems(cells);
      problems.push(...found.map((problem) => `${placeOf(index)}: ${problem}`));
      if (problems.length > 0) break;
      columns = cells.flatMap((name) => COLUMN_OF.get(name) ?? []);
    } else if (cells.length !== columns.length) {
      problems.push(`${placeOf(index)}: expected ${columns.length} cells, found ${cells.length}`);
    } else {
      const value = typedRow(columns, cells);
      // The schema alone first: of thousands of rows, one that has problems to be explained is rare.
      const read = Row.safeParse(value);
      if (read.success) rows.push(read.data);
      else problems.push(...problemsOf(value, placeOf(index)));
    }
  }
  if (problems.length > 0) {
    const more = problems.length > SHOWN ? [`and ${problems.length - SHOWN} more`] : [];
    throw new UserError('rows_invalid', [...problems.slice(0, SHOWN), ...more].join('\n'), [
      'Correct the file, or move it aside: the next benchmark writes a new one.',
    ]);
  }
  return { rows };
}

/** On which line of the file each record begins: those before it may hold line breaks in quotes. */
function firstLines(records: readonly string[][]): number[] {
  let next = 1;
  return records.map((cells) => {
    const line = next;
    next += cells.reduce((breaks, text) => breaks + text.split('\n').length - 1, 1);
    return line;
  });
}

function problemsOf(value: object, place: string): string[] {
  const checked = check(Row, [{ name: place, folder: '', value }]);
  return checked.ok ? [] : checked.problems.map((problem) => drawProblem(problem));
}

/** Null, which papaparse writes as an empty cell, where it is unknown. */
function cell(row: Row, column: Column): string | null {
  const value = row[column.name];
  if (value === null) return null;
  return column.kind === 'number' ? fixed(Number(value), column.decimals) : String(value);
}

function headerProblems(header: readonly string[]): string[] {
  return header.flatMap((name, index) => {
    if (header.indexOf(name) < index) return [`the column "${name}" stands twice`];
    if (COLUMN_OF.has(name)) return [];
    const guess = nearest(name, NAMES);
    return [`unknown column "${name}"${guess === undefined ? '' : `. Did you mean "${guess}"?`}`];
  });
}

/** What does not read as its column's kind stays text, for the schema to refuse. Empty is left out: unknown. */
function typedRow(columns: readonly Column[], cells: readonly string[]): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  columns.forEach(({ name, kind }, index) => {
    const text = cells[index] ?? '';
    if (text !== '') row[name] = typed(text, kind);
  });
  return row;
}

function typed(text: string, kind: Column['kind']): string | number | boolean {
  if (kind === 'number' && /^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  if (kind === 'flag' && /^(true|false)$/i.test(text)) return text.toLowerCase() === 'true'; // spreadsheets: TRUE
  return text;
}
