import type { ColumnName, Row } from '../spec/row.ts';

/** What a listing shows as one: a row, or several that differ in their seed alone. */
export type Line = Row & {
  /** Numbers of the line are means over these seeds, its verdict and other texts unknown. */
  readonly over?: OverSeeds;
};

export interface OverSeeds {
  readonly seeds: readonly number[];
  /** Sample standard deviation; null where the mean is unknown, or there is one seed. */
  readonly sd: Readonly<Partial<Record<ColumnName, number | null>>>;
  /** How many of the rows came to each verdict. */
  readonly verdicts: Readonly<Record<NonNullable<Row['verdict']>, number>>;
}

/** Whether it is of a network that was never compressed, measured alone. */
export function isDense({ baseline }: Line): boolean {
  return baseline === true;
}
