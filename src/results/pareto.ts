/**
 * `--pareto`: the lines that no other beats. Only what was measured alike is compared: on the same data and test
 * images, the same device, CPU and runtime, with the same threads and batch size.
 */
import { UserError } from '../errors/errors.ts';
import { type Column, columnGiven, ROW_COLUMNS } from '../spec/columns.ts';
import type { ColumnName } from '../spec/row.ts';
import { groupBy } from './group-by.ts';
import { type IdentityColumn, identityKey } from './identity.ts';
import type { Line } from './line.ts';

const ALIKE: readonly IdentityColumn[] = [
  'dataset',
  'eval_samples',
  'device',
  'cpu',
  'runtime',
  'threads',
  'batch_size',
];

/** Accuracy against latency. */
export const DEFAULT_PARETO = 'compressed_acc,compressed_latency_ms';

export interface Goal {
  readonly column: ColumnName;
  readonly better: 'lower' | 'higher';
}

/** Two or more columns that get better in one direction. */
export function parsePareto(text: string): Goal[] {
  const columns = text.split(',').map((part) => columnGiven(part.trim(), '--pareto'));
  if (columns.length < 2) {
    throw new UserError('pareto_columns', `--pareto: expected two columns or more, found "${text}"`, [
      `For example: --pareto ${DEFAULT_PARETO}`,
    ]);
  }
  return columns.map(goal);
}

export interface Frontier<T> {
  /** In the order they came. */
  readonly lines: readonly T[];
  readonly dominated: number;
  /** Lines in which one of the columns is unknown. */
  readonly unknown: number;
}

export function frontier<T extends Line>(lines: readonly T[], goals: readonly Goal[]): Frontier<T> {
  const groups = knownAlike(lines, goals);
  const beaten = new Set(
    groups.flatMap((rivals) =>
      rivals.filter((line) => rivals.some((rival) => dominates(rival, line, goals))),
    ),
  );
  const known = new Set(groups.flat());
  return {
    lines: lines.filter((line) => known.has(line) && !beaten.has(line)),
    dominated: beaten.size,
    unknown: lines.length - known.size,
  };
}

/** Lines in which no goal is unknown, those measured alike together. */
export function knownAlike<T extends Line>(lines: readonly T[], goals: readonly Goal[]): T[][] {
  const known = lines.filter((line) => goals.every(({ column }) => line[column] !== null));
  return [...groupBy(known, (line) => identityKey(line, ALIKE)).values()];
}

/** At least as good everywhere and better somewhere: of equals both stay. */
export function dominates(rival: Line, line: Line, goals: readonly Goal[]): boolean {
  const gains = goals.map(({ column, better }) => {
    const gain = Number(rival[column]) - Number(line[column]);
    return better === 'higher' ? gain : -gain;
  });
  return gains.every((gain) => gain >= 0) && gains.some((gain) => gain > 0);
}

function goal({ name, better }: Column): Goal {
  if (better !== undefined) return { column: name, better };
  const usable = ROW_COLUMNS.filter((column) => column.better !== undefined).map((column) => column.name);
  throw new UserError('pareto_columns', `--pareto: no value of ${name} is better than another`, [
    `Columns that get better: ${usable.join(', ')}`,
  ]);
}
