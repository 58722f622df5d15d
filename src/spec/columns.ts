/** The columns of a row as the schema declares them: nothing about a column is said twice. */
import type { z } from 'zod';
import { UserError } from '../errors/errors.ts';
import { nearest } from './nearest.ts';
import { type ColumnName, Row } from './row.ts';

export type Column = {
  readonly name: ColumnName;
  readonly unit?: string;
  /** Which way it gets better; absent where it is neither. */
  readonly better?: 'lower' | 'higher';
  /** Says something of an artifact beside its original; absent where it does not. */
  readonly isComparison?: true;
} & (
  | { readonly kind: 'flag' }
  /** `choices`: the only texts it holds. */
  | { readonly kind: 'text'; readonly choices?: readonly string[] }
  /** `averaged`: a mean over several rows says something. */
  | { readonly kind: 'number'; readonly decimals: number; readonly averaged: boolean }
);

export const ROW_COLUMNS: readonly Column[] = Object.entries(Row.shape).map(([name, schema]) =>
  describe(name as ColumnName, schema),
);

const COLUMN_OF = new Map<string, Column>(ROW_COLUMNS.map((column) => [column.name, column]));

export function columnNamed(name: string): Column | undefined {
  return COLUMN_OF.get(name);
}

/** The column that a flag names. */
export function columnGiven(name: string, flag: string): Column {
  const column = COLUMN_OF.get(name);
  if (column !== undefined) return column;
  const guess = nearest(name, [...COLUMN_OF.keys()]);
  throw new UserError('column_unknown', `${flag}: unknown column "${name}"`, [
    guess === undefined ? 'Every column with its meaning: capstone schema row' : `Did you mean "${guess}"?`,
  ]);
}

function describe(name: ColumnName, schema: z.ZodType): Column {
  const meta = schema.meta() ?? {};
  const { 'x-unit': unit, 'x-decimals': decimals, 'x-better': better } = meta;
  const common: Pick<Column, 'name' | 'unit' | 'better' | 'isComparison'> = {
    name,
    ...(typeof unit === 'string' ? { unit } : {}),
    ...(better === 'lower' || better === 'higher' ? { better } : {}),
    ...(meta['x-comparison'] === true ? { isComparison: true } : {}),
  };
  if (typeof decimals === 'number') {
    return { ...common, kind: 'number', decimals, averaged: meta['x-averaged'] !== false };
  }
  if (schema.safeParse(true).success) return { ...common, kind: 'flag' };
  const choices = choicesOf(schema);
  return { ...common, kind: 'text', ...(choices === undefined ? {} : { choices }) };
}

/** Of an enum, whatever it is wrapped in. */
function choicesOf(schema: z.ZodType): readonly string[] | undefined {
  if ('options' in schema) return schema.options as readonly string[];
  return 'unwrap' in schema ? choicesOf((schema.unwrap as () => z.ZodType)()) : undefined;
}
