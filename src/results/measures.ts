/** What a person reads first about a row: the classic seven of original and compressed, then what it was worth. */
import type { ColumnName, Row } from '../spec/row.ts';
import { isDense, type Line } from './line.ts';
import { fixed, threeDigits } from './number.ts';

export interface Measure {
  /** Unit included. */
  readonly label: string;
  /** What a line says under it; an interval has two. */
  readonly column?: ColumnName;
  /** Worth a column of a list, where there is room for few. */
  readonly ranks?: boolean;
  /** Shown only where some row has this column: older rows do not know it. */
  readonly needs?: ColumnName;
  /** Depends on the batch size; the others are properties of the models. */
  readonly perBatch: boolean;
  /** An interval: one row has it, a mean over seeds has none. */
  readonly ofOneRow?: boolean;
  /** Says something of an artifact beside its original, which a dense network has not. */
  readonly isComparison?: boolean;
  /** Absent where a value belongs to the comparison alone. */
  original?(line: Line): string;
  compressed(line: Line): string;
}

export const UNKNOWN = '–';

/** What the labels and words below leave open. */
export const LEGEND = 'CI: 99 % interval. A verdict needs all of it beyond a margin of 2 %.';
const OVER_SEEDS_LEGEND =
  'Mean ± sample standard deviation (seeds). A verdict needs a 99 % interval beyond a margin of 2 %.';

export function legendFor(lines: readonly Line[]): string {
  const legend = lines.some(({ over }) => over !== undefined) ? OVER_SEEDS_LEGEND : LEGEND;
  const best = [...new Set(lines.flatMap((line) => line.best_original_runtime ?? []))].sort();
  return best.length === 0
    ? legend
    : `${legend}\nBest orig.: the original where it is fastest here without loss, in ${best.join(' and ')}.`;
}

export const VERDICTS: Readonly<Record<NonNullable<Row['verdict']>, string>> = {
  faster: 'faster',
  slower: 'slower',
  no_difference: 'no difference',
};

type Pair = 'params' | 'nonzero' | 'sparsity' | 'file_size' | 'acc' | 'latency_ms' | 'throughput';

export const MEASURES: readonly Measure[] = [
  pair('params M', 'params', (count) => threeDigits(count / 1e6)),
  pair('nonzero M', 'nonzero', (count) => threeDigits(count / 1e6)),
  pair('sparsity %', 'sparsity', (share) => fixed(100 * share, 1)),
  pair('file size MB', 'file_size', (bytes) => threeDigits(bytes / 1e6), { ranks: true }),
  pair('acc %', 'acc', twoDecimals, { ranks: true }),
  one('acc drop pp', 'acc_drop', false),
  between('acc drop CI', 'acc_drop_low', 'acc_drop_high', false),
  pair('latency ms', 'latency_ms', threeDigits, { perBatch: true, ranks: true }),
  pair('throughput /s', 'throughput', threeDigits, { perBatch: true }),
  one('speed-up', 'speedup', true),
  between('speed-up CI', 'speedup_low', 'speedup_high', true),
  {
    label: 'verdict',
    column: 'verdict',
    perBatch: true,
    ranks: true,
    isComparison: true,
    compressed: verdict,
  },
  {
    label: 'best orig. ms',
    needs: 'best_original_runtime',
    perBatch: true,
    // Two decimals of what is below 10: a range has to fit where five levels stand side by side.
    original: (line) =>
      figure(line, 'best_original_latency_ms', (ms) => (ms < 10 ? fixed(ms, 2) : threeDigits(ms))),
    compressed: () => '',
  },
  {
    label: 'vs best orig.',
    column: 'speedup_vs_best_original',
    needs: 'best_original_runtime',
    perBatch: true,
    isComparison: true,
    compressed: (line) => figure(line, 'speedup_vs_best_original', twoDecimals),
  },
];

/** Those that say something of such lines. */
export function measuresFor(lines: readonly Line[]): readonly Measure[] {
  const overSeeds = lines.some(({ over }) => over !== undefined);
  const areDense = lines.length > 0 && lines.every(isDense);
  return MEASURES.filter(
    ({ ofOneRow, needs, isComparison }) =>
      !(overSeeds && ofOneRow === true) &&
      !(areDense && isComparison === true) &&
      (needs === undefined || lines.some((line) => line[needs] !== null)),
  );
}

/** What a line says under a measure in one cell: `before → after`, of a dense network the one figure that it has. */
export function inOneCell({ original, compressed }: Measure, line: Line): string {
  const after = compressed(line);
  const before = original?.(line);
  if (before === undefined || (isDense(line) && after !== '')) return after;
  return after === '' ? before : `${before} → ${after}`;
}

function pair(
  label: string,
  name: Pair,
  show: (value: number) => string,
  { perBatch = false, ranks = false } = {},
): Measure {
  const column = `compressed_${name}` as const;
  return {
    label,
    column,
    perBatch,
    ranks,
    original: (line) => figure(line, `original_${name}`, show),
    compressed: (line) => figure(line, column, show),
  };
}

function one(label: string, column: ColumnName, perBatch: boolean): Measure {
  return {
    label,
    column,
    perBatch,
    ranks: true,
    isComparison: true,
    compressed: (line) => figure(line, column, twoDecimals),
  };
}

function between(label: string, low: ColumnName, high: ColumnName, perBatch: boolean): Measure {
  const end = (line: Line, column: ColumnName) => figure(line, column, twoDecimals);
  return {
    label,
    perBatch,
    ofOneRow: true,
    isComparison: true,
    compressed: (line) =>
      line[low] === null || line[high] === null ? UNKNOWN : `${end(line, low)} to ${end(line, high)}`,
  };
}

/** A number, or over seeds `mean ± standard deviation (seeds)`. */
export function figure(line: Line, column: ColumnName, show: (value: number) => string): string {
  const value = line[column];
  if (typeof value !== 'number') return UNKNOWN;
  if (line.over === undefined) return show(value);
  const sd = line.over.sd[column] ?? null;
  return `${show(value)} ± ${sd === null ? UNKNOWN : show(sd)} (${line.over.seeds.length})`;
}

/** Of several rows, how many came to each. */
function verdict({ verdict: one, over }: Line): string {
  if (over === undefined) return one === null ? UNKNOWN : VERDICTS[one];
  const counted = Object.entries(over.verdicts).filter(([, count]) => count > 0);
  const said = counted.map(([name, count]) => `${count} ${VERDICTS[name as keyof typeof VERDICTS]}`);
  return said.join(', ') || UNKNOWN;
}

function twoDecimals(value: number): string {
  return fixed(value, 2);
}
