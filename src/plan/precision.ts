import type { Precision } from '../spec/names.ts';

/** A row of py/capstone_worker/training/precision.json, filled by benchmarks/precision.py. */
export interface PrecisionRow {
  readonly isa: string;
  readonly family: string;
  /** Of this architecture alone; else of the whole family. */
  readonly arch?: string;
  readonly stem: string;
  readonly min_batch_size: number;
  readonly precision: Precision;
}

export interface PrecisionQuestion {
  readonly isa: string;
  readonly family: string;
  readonly arch: string | undefined;
  readonly stem: string | undefined;
  readonly batch_size: number;
}

/**
 * What `precision: auto` means here: the matching row with the largest `min_batch_size` that the batch reaches; fp32
 * where nothing was measured. Where an architecture has rows of its own, those of its family say nothing of it. The same
 * rule as training/precision.py.
 */
export function resolvePrecision(
  requested: Precision | 'auto',
  { isa, family, arch, stem, batch_size }: PrecisionQuestion,
  table: readonly PrecisionRow[],
): Precision {
  if (requested !== 'auto') return requested;
  const here = table.filter((row) => row.isa === isa && row.stem === stem);
  const own = here.filter((row) => row.arch !== undefined && row.arch === arch);
  const rows = own.length > 0 ? own : here.filter((row) => row.arch === undefined && row.family === family);
  const reached = rows.filter((row) => row.min_batch_size <= batch_size);
  return reached.sort((a, b) => b.min_batch_size - a.min_batch_size)[0]?.precision ?? 'fp32';
}
