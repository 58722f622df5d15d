/** What makes a row this row and no other, and how each part of that is said. */
import { IDENTITY_COLUMNS, type Row } from '../spec/row.ts';
import { printable } from './printable.ts';

export type IdentityColumn = (typeof IDENTITY_COLUMNS)[number];

const PHRASES: Readonly<Record<IdentityColumn, (row: Row) => string>> = {
  model: (row) => row.model,
  dataset: (row) => row.dataset,
  recipe: (row) => row.recipe,
  level: (row) => `level ${row.level}`,
  seed: (row) => `seed ${row.seed}`,
  image_size: (row) => `${row.image_size} px`,
  device: (row) => row.device,
  cpu: (row) => printable(row.cpu),
  runtime: (row) => row.runtime,
  threads: (row) => `${row.threads} ${row.threads === 1 ? 'thread' : 'threads'}`,
  batch_size: (row) => `batch ${row.batch_size}`,
  eval_samples: (row) => `${row.eval_samples} test ${row.eval_samples === 1 ? 'image' : 'images'}`,
};

/** Those columns of a row in words: `level 3`, `2 threads`. */
export function phrases(row: Row, columns: readonly IdentityColumn[]): string[] {
  return columns.map((column) => PHRASES[column](row));
}

export function identityKey(row: Row, columns: readonly IdentityColumn[] = IDENTITY_COLUMNS): string {
  return JSON.stringify(columns.map((column) => row[column]));
}

/** By the identity columns in their order: numbers by value, text by UTF-16 code units, as Python does it too. */
export function compareRows(a: Row, b: Row): number {
  for (const column of IDENTITY_COLUMNS) {
    if (a[column] < b[column]) return -1;
    if (a[column] > b[column]) return 1;
  }
  return 0;
}

/** Which identity columns tell these rows apart, and which say the same of all. */
export function splitIdentity(rows: readonly Row[]): { varying: IdentityColumn[]; common: IdentityColumn[] } {
  const differs = (column: IdentityColumn) => rows.some((row) => row[column] !== rows[0]?.[column]);
  return {
    varying: IDENTITY_COLUMNS.filter(differs),
    common: IDENTITY_COLUMNS.filter((column) => !differs(column)),
  };
}
