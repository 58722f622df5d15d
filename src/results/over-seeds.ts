/**
 * `--over seed`: rows of the same identity but for the seed become one line of means and sample standard deviations.
 * A mean over some of the seeds would pass for one over all, so a column that is unknown in one row is unknown here.
 * Interval ends and p values are left out: a mean of them is neither. Verdicts are counted.
 */
import Papa from 'papaparse';
import { type Column, ROW_COLUMNS } from '../spec/columns.ts';
import { IDENTITY_COLUMNS, type Row } from '../spec/row.ts';
import { groupBy } from './group-by.ts';
import { compareRows, identityKey } from './identity.ts';
import type { Line, OverSeeds } from './line.ts';
import { fixed } from './number.ts';

const SHARED = IDENTITY_COLUMNS.filter((column) => column !== 'seed');
const AVERAGED = ROW_COLUMNS.filter(
  (column): column is Extract<Column, { kind: 'number' }> =>
    column.kind === 'number' && column.averaged && !IDENTITY_COLUMNS.some((name) => name === column.name),
);
const VERDICTS = ['faster', 'slower', 'no_difference'] as const;

export function overSeeds(rows: readonly Row[]): Line[] {
  return [...groupBy(rows.toSorted(compareRows), (row) => identityKey(row, SHARED)).values()].map(summed);
}

/** Means and deviations with a decimal more than the column has. */
export function overSeedsToCsv(lines: readonly Line[]): string {
  const records = lines.map(recordOf);
  const header = Object.keys(records[0] ?? {});
  const data = records.map((record) =>
    Object.values(record).map((value) =>
      value === null ? '' : Array.isArray(value) ? value.join(' ') : value,
    ),
  );
  return `${Papa.unparse([header, ...data], { newline: '\n' })}\n`;
}

export function overSeedsToJson(lines: readonly Line[]): string {
  const records = lines.map((line) =>
    Object.fromEntries(
      Object.entries(recordOf(line)).map(([name, value]) => [
        name,
        typeof value === 'string' && /_(mean|sd)$/.test(name) ? Number(value) : value,
      ]),
    ),
  );
  return `${JSON.stringify(records, null, 2)}\n`;
}

function summed(rows: readonly Row[]): Line {
  const [first] = rows;
  if (first === undefined) throw new Error('a group without rows');
  const statistics = AVERAGED.map(({ name }) => [name, spread(rows.map((row) => row[name]))] as const);
  const unknown = ROW_COLUMNS.filter(({ name }) => !IDENTITY_COLUMNS.some((column) => column === name));
  return {
    ...first,
    ...Object.fromEntries(unknown.map(({ name }) => [name, null])),
    baseline: rows.every(({ baseline }) => baseline === first.baseline) ? first.baseline : null,
    ...Object.fromEntries(statistics.map(([name, { mean }]) => [name, mean])),
    over: {
      seeds: rows.map((row) => row.seed),
      sd: Object.fromEntries(statistics.map(([name, { sd }]) => [name, sd])),
      verdicts: Object.fromEntries(
        VERDICTS.map((verdict) => [verdict, rows.filter((row) => row.verdict === verdict).length]),
      ) as OverSeeds['verdicts'],
    },
  };
}

function spread(values: readonly unknown[]): { mean: number | null; sd: number | null } {
  const numbers = values.filter((value) => typeof value === 'number');
  if (numbers.length < values.length) return { mean: null, sd: null };
  const mean = numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
  if (numbers.length < 2) return { mean, sd: null };
  const squares = numbers.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, sd: Math.sqrt(squares / (numbers.length - 1)) };
}

function recordOf(line: Line): Record<string, string | number | readonly number[] | null> {
  const { over } = line;
  const write = (value: unknown, decimals: number) =>
    typeof value === 'number' ? fixed(value, decimals + 1) : null;
  return {
    ...Object.fromEntries(SHARED.map((column) => [column, line[column]])),
    n: over?.seeds.length ?? 1,
    seeds: over?.seeds ?? [line.seed],
    ...Object.fromEntries(
      AVERAGED.flatMap(({ name, decimals }) => [
        [`${name}_mean`, write(line[name], decimals)],
        [`${name}_sd`, write(over?.sd[name], decimals)],
      ]),
    ),
    ...Object.fromEntries(VERDICTS.map((verdict) => [`verdict_${verdict}`, over?.verdicts[verdict] ?? null])),
  };
}
