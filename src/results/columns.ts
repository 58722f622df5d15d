/** The columns of a row as the schema declares them: nothing about a column is said twice. */
import type { z } from 'zod';
import { type ColumnName, Row } from '../spec/row.ts';

export type Column = {
  readonly name: ColumnName;
  readonly unit?: string;
} & ({ readonly kind: 'text' | 'flag' } | { readonly kind: 'number'; readonly decimals: number });

export const ROW_COLUMNS: readonly Column[] = Object.entries(Row.shape).map(([name, schema]) =>
  describe(name as ColumnName, schema),
);

function describe(name: ColumnName, schema: z.ZodType): Column {
  const meta = schema.meta() ?? {};
  const unit = meta['x-unit'];
  const decimals = meta['x-decimals'];
  const common = { name, ...(typeof unit === 'string' ? { unit } : {}) };
  if (typeof decimals === 'number') return { ...common, kind: 'number', decimals };
  return { ...common, kind: schema.safeParse(true).success ? 'flag' : 'text' };
}
