import { columnGiven } from '../spec/columns.ts';
import type { ColumnName } from '../spec/row.ts';
import { compareRows } from './identity.ts';
import type { Line } from './line.ts';

export interface SortKey {
  readonly column: ColumnName;
  readonly descending: boolean;
}

/** `-speedup,model`: by speed-up from the highest, then by model. */
export function parseSort(text: string): SortKey[] {
  return text.split(',').map((part) => {
    const word = part.trim();
    const descending = word.startsWith('-');
    return { column: columnGiven(descending ? word.slice(1) : word, '--sort').name, descending };
  });
}

/** What is unknown comes last either way; equals stay in the order of their identity. */
export function sortLines<T extends Line>(lines: readonly T[], keys: readonly SortKey[]): T[] {
  return lines.toSorted((a, b) => {
    for (const { column, descending } of keys) {
      const [left, right] = [a[column], b[column]];
      if (left === right) continue;
      if (left === null) return 1;
      if (right === null) return -1;
      return left < right === descending ? 1 : -1;
    }
    return compareRows(a, b);
  });
}
