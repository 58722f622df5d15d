/** results.json of a run: the rows that it ended with. */
import { existsSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { UserError } from '../errors/errors.ts';
import { Row } from '../spec/row.ts';
import { parseJson } from './lines.ts';

const Rows = z.array(Row);

/** Undefined for a run that has not ended. Columns that were not there yet when it was written are unknown. */
export function readResults(path: string): Row[] | undefined {
  if (!existsSync(path)) return undefined;
  const read = Rows.safeParse(parseJson(readFileSync(path, 'utf8')));
  if (read.success) return read.data;
  throw new UserError('results_invalid', `${path} does not hold rows as this program writes them`, [
    'Move it aside: the rows stand in benchmark_levels.csv, and capstone results --where shows them.',
  ]);
}
