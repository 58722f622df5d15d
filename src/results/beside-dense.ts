/**
 * Where compression wins and where it does not: which dense networks a compressed one beats on a frontier, and how many
 * compressed ones a dense network beats. Compressed to what a smaller network is anyway, a model was not worth the work.
 */
import { groupBy } from './group-by.ts';
import { isDense, type Line } from './line.ts';
import { dominates, type Goal, knownAlike } from './pareto.ts';

/** One sentence; undefined where no dense network was measured like something compressed. */
export function besideDense(lines: readonly Line[], goals: readonly Goal[]): string | undefined {
  const met = knownAlike(lines, goals).flatMap((alike) => {
    const [dense, compressed] = [alike.filter(isDense), alike.filter((line) => !isDense(line))];
    if (dense.length === 0 || compressed.length === 0) return [];
    const lose = (losers: readonly Line[], winners: readonly Line[]) =>
      losers.map((line) => ({ line, isBeaten: winners.some((winner) => dominates(winner, line, goals)) }));
    return [{ dense: lose(dense, compressed), compressed: lose(compressed, dense) }];
  });
  if (met.length === 0) return undefined;
  const compressed = met.flatMap((group) => group.compressed);
  const models = groupBy(
    met.flatMap((group) => group.dense),
    ({ line }) => line.model,
  );
  const said = [...models].map(([model, rows]) => `${model} in ${beatenOf(rows)}`);
  return `Dense networks that a compressed one beats: ${said.join(', ')} rows. Compressed ones that a dense one beats: ${beatenOf(compressed)}.`;
}

function beatenOf(rows: readonly { readonly isBeaten: boolean }[]): string {
  return `${rows.filter(({ isBeaten }) => isBeaten).length} of ${rows.length}`;
}
