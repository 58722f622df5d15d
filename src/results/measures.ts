/** What a person reads first about a row: the classic seven of original and compressed, then what it was worth. */
import type { Row } from '../spec/row.ts';
import { fixed, threeDigits } from './number.ts';

export interface Measure {
  /** Unit included. */
  readonly label: string;
  /** Depends on the batch size; the others are properties of the models. */
  readonly perBatch: boolean;
  /** Absent where a value belongs to the comparison alone. */
  original?(row: Row): string;
  compressed(row: Row): string;
}

export const UNKNOWN = '–';

/** What the labels and words below leave open. */
export const LEGEND = 'CI: 99 % interval. A verdict needs all of it beyond a margin of 2 %.';

const VERDICTS: Readonly<Record<NonNullable<Row['verdict']>, string>> = {
  faster: 'faster',
  slower: 'slower',
  no_difference: 'no difference',
};

type Pair = 'params' | 'nonzero' | 'sparsity' | 'file_size' | 'acc' | 'latency_ms' | 'throughput';

export const MEASURES: readonly Measure[] = [
  pair('params M', 'params', (count) => threeDigits(count / 1e6)),
  pair('nonzero M', 'nonzero', (count) => threeDigits(count / 1e6)),
  pair('sparsity %', 'sparsity', (share) => fixed(100 * share, 1)),
  pair('file size MB', 'file_size', (bytes) => threeDigits(bytes / 1e6)),
  pair('acc %', 'acc', twoDecimals),
  one('acc drop pp', (row) => known(row.acc_drop, twoDecimals)),
  one('acc drop CI', (row) => interval(row.acc_drop_low, row.acc_drop_high)),
  pair('latency ms', 'latency_ms', threeDigits, true),
  pair('throughput /s', 'throughput', threeDigits, true),
  one('speed-up', (row) => known(row.speedup, twoDecimals), true),
  one('speed-up CI', (row) => interval(row.speedup_low, row.speedup_high), true),
  one('verdict', (row) => (row.verdict === null ? UNKNOWN : VERDICTS[row.verdict]), true),
];

function pair(label: string, name: Pair, show: (value: number) => string, perBatch = false): Measure {
  return {
    label,
    perBatch,
    original: (row) => known(row[`original_${name}`], show),
    compressed: (row) => known(row[`compressed_${name}`], show),
  };
}

function one(label: string, compressed: (row: Row) => string, perBatch = false): Measure {
  return { label, perBatch, compressed };
}

function known(value: number | null, show: (value: number) => string): string {
  return value === null ? UNKNOWN : show(value);
}

function interval(low: number | null, high: number | null): string {
  return low === null || high === null ? UNKNOWN : `${twoDecimals(low)} to ${twoDecimals(high)}`;
}

function twoDecimals(value: number): string {
  return fixed(value, 2);
}
