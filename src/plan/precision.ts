import type { Precision } from '../spec/names.ts';

/** A row of py/capstone_worker/training/precision.json, filled by benchmarks/precision.py. */
export interface PrecisionRow {
  readonly isa: string;
  readonly family: string;
  readonly stem: string;
  readonly min_batch_size: number;
  readonly precision: Precision;
}

export interface PrecisionQuestion {
  readonly isa: string;
  readonly family: string;
  readonly stem: string | undefined;
  readonly batch_size: number;
}

/**
 * What `precision: auto` means here: the matching row with the largest `min_batch_size` that the batch reaches; fp32
 * where nothing was measured. The same rule as training/precision.py.
 */
export function resolvePrecision(
  requested: Precision | 'auto',
  { isa, family, stem, batch_size }: PrecisionQuestion,
  table: readonly PrecisionRow[],
): Precision {
  if (requested !== 'auto') return requested;
  const rows = table.filter((row) => row.isa === isa && row.family === family && row.stem === stem);
  const reached = rows.filter((row) => row.min_batch_size <= batch_size);
  return reached.sort((a, b) => b.min_batch_size - a.min_batch_size)[0]?.precision ?? 'fp32';
}
