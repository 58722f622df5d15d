import type { Row } from '../spec/row.ts';

/** Rows in their order with all columns and the numbers as they were read; unknown is null. */
export function toJson(rows: readonly Row[]): string {
  return `${JSON.stringify(rows, null, 2)}\n`;
}
