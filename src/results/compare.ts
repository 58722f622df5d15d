/** Two rows side by side: where they differ, and by how much. */
import Papa from 'papaparse';
import { type Column, ROW_COLUMNS } from '../spec/columns.ts';
import { type ColumnName, IDENTITY_COLUMNS, type Row } from '../spec/row.ts';
import { drawGrid, type GridColumn } from './grid.ts';
import { phrases, splitIdentity } from './identity.ts';
import { escaped } from './markdown.ts';
import { UNKNOWN } from './measures.ts';
import { fixed } from './number.ts';
import { printable } from './printable.ts';

export interface Compared {
  readonly column: Column;
  readonly a: Row[ColumnName];
  readonly b: Row[ColumnName];
  /** B less A; null for what is no number, or unknown in one of them. */
  readonly difference: number | null;
  /** Null where they are equal, at an end of an interval, or where no value is better than another. */
  readonly better: 'a' | 'b' | null;
}

/** Texts that differ with every measurement and say nothing about the models; noise stands below. */
const INCIDENTAL: readonly ColumnName[] = [
  'task_key',
  'timestamp',
  'original_sha256',
  'artifact_sha256',
  'noise',
];
const LEGEND =
  'Two tasks timed them, at different times: only a speed-up, each of the same task as its original, has an interval.';

/** What is known of either and is a number, and every text in which they differ. */
export function compareRowPair(a: Row, b: Row): Compared[] {
  return ROW_COLUMNS.flatMap((column): Compared[] => {
    const { name, better } = column;
    const values = { column, a: a[name], b: b[name] };
    const isIdentity = IDENTITY_COLUMNS.some((part) => part === name);
    if (INCIDENTAL.includes(name) || (values.a === null && values.b === null)) return [];
    if (column.kind !== 'number' || isIdentity) {
      return values.a === values.b ? [] : [{ ...values, difference: null, better: null }];
    }
    const { a: left, b: right } = values;
    if (left === null || right === null) return [{ ...values, difference: null, better: null }];
    const difference = Number(right) - Number(left);
    const gain = better === 'lower' ? -difference : difference;
    const judged = better !== undefined && column.averaged && gain !== 0;
    return [{ ...values, difference, better: judged ? (gain > 0 ? 'b' : 'a') : null }];
  });
}

const HEADER: readonly GridColumn[] = [
  { label: '', align: 'left' },
  { label: 'A', align: 'right' },
  { label: 'B', align: 'right' },
  { label: 'B - A', align: 'right' },
  { label: 'better', align: 'left' },
];

export function comparisonToTable(a: Row, b: Row): string {
  return `${[...drawGrid(HEADER, cells(a, b)), '', ...shared(a, b), LEGEND].join('\n')}\n`;
}

export function comparisonToMarkdown(a: Row, b: Row): string {
  const lines = [
    HEADER.map(({ label }) => label || 'column'),
    HEADER.map(({ align }) => (align === 'right' ? '---:' : '---')),
    ...cells(a, b),
  ];
  const drawn = lines.map((line) => `| ${line.map(escaped).join(' | ')} |`);
  return `${[...drawn, '', ...shared(a, b).map(escaped), '', LEGEND].join('\n')}\n`;
}

export function comparisonToCsv(a: Row, b: Row): string {
  const data = compareRowPair(a, b).map((compared) => [
    compared.column.name,
    written(compared.column, compared.a, ''),
    written(compared.column, compared.b, ''),
    written(compared.column, compared.difference, ''),
    compared.better ?? '',
  ]);
  return `${Papa.unparse([['column', 'a', 'b', 'difference', 'better'], ...data], { newline: '\n' })}\n`;
}

export function comparisonToJson(a: Row, b: Row): string {
  const differences = compareRowPair(a, b).map(({ column, difference, better }) => [
    column.name,
    { difference, better },
  ]);
  return `${JSON.stringify({ a, b, compared: Object.fromEntries(differences) }, null, 2)}\n`;
}

function cells(a: Row, b: Row): string[][] {
  return compareRowPair(a, b).map((compared) => {
    const { column, difference, better } = compared;
    const { name, unit } = column;
    const saysUnit = unit === undefined || name.endsWith(`_${unit}`);
    const sign = difference !== null && difference > 0 ? '+' : '';
    return [
      saysUnit ? name : `${name} ${unit}`,
      written(column, compared.a, UNKNOWN),
      written(column, compared.b, UNKNOWN),
      difference === null ? '' : `${sign}${written(column, difference, '')}`,
      better?.toUpperCase() ?? '',
    ];
  });
}

function written(column: Column, value: Row[ColumnName], unknown: string): string {
  if (value === null) return unknown;
  return column.kind === 'number' ? fixed(Number(value), column.decimals) : printable(String(value));
}

/** What both rows are, in one line, and what disturbed either. */
function shared(a: Row, b: Row): string[] {
  const noise = Object.entries({ A: a.noise, B: b.noise }).flatMap(([name, text]) =>
    text === null ? [] : [`noisy: ${name}: ${printable(text)}`],
  );
  return [phrases(a, splitIdentity([a, b]).common).join(' · '), ...noise];
}
