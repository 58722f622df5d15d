/** What makes a row this row and no other, and how each part of that is said. */
import { IDENTITY_COLUMNS, type Row } from '../spec/row.ts';
import type { Line } from './line.ts';
import { printable } from './printable.ts';

export type IdentityColumn = (typeof IDENTITY_COLUMNS)[number];

const PHRASES: Readonly<Record<IdentityColumn, (row: Line) => string>> = {
  model: (row) => row.model,
  dataset: (row) => row.dataset,
  recipe: (row) => row.recipe,
  level: (row) => `level ${row.level}`,
  seed: ({ seed, over }) =>
    over === undefined || over.seeds.length === 1 ? `seed ${seed}` : `seeds ${over.seeds.join(', ')}`,
  image_size: (row) => `${row.image_size} px`,
  device: (row) => row.device,
  cpu: (row) => printable(row.cpu),
  runtime: (row) => row.runtime,
  threads: (row) => `${row.threads} ${row.threads === 1 ? 'thread' : 'threads'}`,
  batch_size: (row) => `batch ${row.batch_size}`,
  eval_samples: (row) => `${row.eval_samples} test ${row.eval_samples === 1 ? 'image' : 'images'}`,
};

/** Those columns of a row in words: `level 3`, `2 threads`. */
export function phrases(row: Line, columns: readonly IdentityColumn[]): string[] {
  return columns.map((column) => PHRASES[column](row));
}

/** The bare value, for a cell under the column's name. */
export function identityCell(line: Line, column: IdentityColumn): string {
  const { over } = line;
  return column === 'seed' && over !== undefined ? over.seeds.join(', ') : printable(String(line[column]));
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
export function splitIdentity(rows: readonly Line[]): {
  varying: IdentityColumn[];
  common: IdentityColumn[];
} {
  const [first] = rows;
  const differs = (column: IdentityColumn) =>
    first !== undefined && rows.some((row) => PHRASES[column](row) !== PHRASES[column](first));
  return {
    varying: IDENTITY_COLUMNS.filter(differs),
    common: IDENTITY_COLUMNS.filter((column) => !differs(column)),
  };
}
