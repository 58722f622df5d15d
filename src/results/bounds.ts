/**
 * `require`: conditions that every row of a job has to meet. What is unknown was not shown to meet any; but a condition
 * on what an artifact is beside its original is not for a dense network, which has no original to fall short of.
 */
import { columnNamed } from '../spec/columns.ts';
import { columnsOf, type Expression, matches, parseExpression } from '../spec/expression.ts';
import { IDENTITY_COLUMNS, type Row } from '../spec/row.ts';
import { compareRows, phrases, splitIdentity } from './identity.ts';
import { isDense } from './line.ts';
import { fixed } from './number.ts';

export interface MissedBound {
  /** As it stands in the job. */
  readonly bound: string;
  /** Which row, in words. */
  readonly row: string;
  /** What the row says of the columns that the bound names: `acc_drop is 0.72`. */
  readonly found: string;
}

/** `bounds` were checked with the job. */
export function missedBounds(rows: readonly Row[], bounds: readonly string[]): MissedBound[] {
  const sorted = rows.toSorted(compareRows);
  const { varying } = splitIdentity(sorted);
  const named = IDENTITY_COLUMNS.filter(
    (column) => ['model', 'dataset', 'recipe', 'level'].includes(column) || varying.includes(column),
  );
  return bounds.flatMap((bound) => {
    const parsed = parseExpression(bound);
    if (!parsed.ok) throw new Error(`bound ${bound} was not checked`);
    const { expression } = parsed;
    return sorted
      .filter((row) => isFor(expression, row) && !matches(expression, row))
      .map((row) => ({
        bound,
        row: phrases(row, named).join(' · '),
        found: columnsOf(expression)
          .map((column) => `${column} is ${valueText(row, column)}`)
          .join(', '),
      }));
  });
}

function isFor(expression: Expression, row: Row): boolean {
  return !isDense(row) || columnsOf(expression).every((column) => columnNamed(column)?.isComparison !== true);
}

/** `bound missed: acc_drop<=0.5: resnet18 · … · level 5: acc_drop is 0.72`. */
export function describeMissed({ bound, row, found }: MissedBound): string {
  return `bound missed: ${bound}: ${row}: ${found}`;
}

function valueText(row: Row, name: keyof Row): string {
  const value = row[name];
  const column = columnNamed(name);
  if (value === null) return 'unknown';
  return column?.kind === 'number' ? fixed(Number(value), column.decimals) : String(value);
}
