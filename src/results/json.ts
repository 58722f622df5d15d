import type { Row } from '../spec/row.ts';
import { compareRows } from './identity.ts';

/** Rows with all columns and the numbers as they were read; unknown is null. */
export function toJson(rows: readonly Row[]): string {
  return `${JSON.stringify(rows.toSorted(compareRows), null, 2)}\n`;
}
