import { existsSync, readFileSync } from 'node:fs';
import { EXIT, UserError } from '../errors/errors.ts';
import { parseCsv, toCsv } from '../results/csv.ts';
import { toJson } from '../results/json.ts';
import { toMarkdown } from '../results/markdown.ts';
import { toTable } from '../results/table.ts';
import type { Row } from '../spec/row.ts';
import { workspacePaths } from '../store/paths.ts';
import { defineCommand } from './definition.ts';
import { PLACE_FLAGS, placeFrom } from './place.ts';

const FORMATS: Record<string, (rows: Row[], width: number) => string> = {
  table: (rows, width) => toTable(rows, { width }),
  csv: toCsv,
  json: toJson,
  md: toMarkdown,
};

export default defineCommand({
  summary: 'Print the rows of benchmark_levels.csv',
  examples: ['capstone results', 'capstone results --format md'],
  flags: [
    {
      name: '--format',
      value: Object.keys(FORMATS).join('|'),
      description: 'How to print them.',
      default: 'table',
    },
    ...PLACE_FLAGS,
  ],
  async run(flags, _args, io) {
    const format = String(flags['--format'] ?? 'table');
    const draw = FORMATS[format];
    if (draw === undefined) {
      throw new UserError(
        'format_unknown',
        `unknown format "${format}"; known: ${Object.keys(FORMATS).join(', ')}`,
      );
    }
    const { rows: file } = workspacePaths(placeFrom(flags, io).workspace);
    const rows = existsSync(file) ? parseCsv(readFileSync(file, 'utf8')).rows : [];
    if (rows.length === 0) {
      throw new UserError('rows_missing', `${file} holds no rows yet`, [
        'Measure something first: capstone sweep',
      ]);
    }
    io.stdout.write(draw(rows, io.stdout.columns ?? 100));
    return EXIT.done;
  },
});
