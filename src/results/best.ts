import type { Row } from '../spec/row.ts';
import { formatPercent } from '../units.ts';
import { isDense } from './line.ts';

/**
 * What a run was worth in a word: the level with the highest speed-up among those whose verdict is faster; null
 * where nothing compressed was measured. `resnet18 level 4: 1.31x, acc 91.60 %`.
 */
export function bestInAWord(rows: readonly Row[]): string | null {
  const compressed = rows.filter((row) => !isDense(row));
  if (compressed.length === 0) return null;
  const [best] = compressed
    .filter((row) => row.verdict === 'faster')
    .toSorted((a, b) => (b.speedup ?? 0) - (a.speedup ?? 0));
  if (best === undefined) return 'no level is faster';
  const acc = best.compressed_acc === null ? '' : `, acc ${formatPercent(best.compressed_acc)}`;
  return `${best.model} level ${best.level}: ${best.speedup?.toFixed(2)}x${acc}`;
}
