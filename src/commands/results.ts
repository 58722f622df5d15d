import { existsSync, readFileSync } from 'node:fs';
import { EXIT, UserError } from '../errors/errors.ts';
import { besideDense } from '../results/beside-dense.ts';
import {
  comparisonToCsv,
  comparisonToJson,
  comparisonToMarkdown,
  comparisonToTable,
} from '../results/compare.ts';
import { parseCsv, rowsToCsv } from '../results/csv.ts';
import { toJson } from '../results/json.ts';
import type { Line } from '../results/line.ts';
import { toList } from '../results/list.ts';
import { toMarkdown } from '../results/markdown.ts';
import { overSeeds, overSeedsToCsv, overSeedsToJson } from '../results/over-seeds.ts';
import { DEFAULT_PARETO, frontier, type Goal, parsePareto } from '../results/pareto.ts';
import { expressionGiven, onlyRow } from '../results/select.ts';
import { parseSort, sortLines } from '../results/sort.ts';
import { toTable } from '../results/table.ts';
import { matches } from '../spec/expression.ts';
import { nearest } from '../spec/nearest.ts';
import type { ColumnName, Row } from '../spec/row.ts';
import { runPaths, workspacePaths } from '../store/paths.ts';
import { readResults } from '../store/results.ts';
import { findRun } from '../store/runs.ts';
import { defineCommand, type FlagValues, type Io } from './definition.ts';
import { PLACE_FLAGS, placeFrom } from './place.ts';

const FORMATS = ['table', 'csv', 'json', 'md'] as const;
type Format = (typeof FORMATS)[number];

const COMPARISONS: Readonly<Record<Format, (a: Row, b: Row) => string>> = {
  table: comparisonToTable,
  csv: comparisonToCsv,
  json: comparisonToJson,
  md: comparisonToMarkdown,
};

export default defineCommand({
  summary: 'Print the rows of benchmark_levels.csv',
  description: `EXPR is a condition on a row: columns compared by = != < <= > >= with numbers, words or "quoted text",
joined by and, or and parentheses. What a row does not know matches nothing. Columns: capstone schema row

--pareto keeps the rows that no other beats among those measured alike (same data set, test images, device, CPU,
runtime, threads and batch size); where dense networks ("baseline" in a job) are among them, it says which of them
compression beats, and how often they beat it.

--over seed makes one line of rows that differ in the seed alone: in csv and json X_mean and X_sd (sample standard
deviation) of each number X, n, seeds, and how many came to each verdict; a column that is unknown for one seed is
unknown, and interval ends and p values are left out.

As a table rows stand side by side for each original, or one a line where they are ranked by --sort or --pareto.`,
  examples: [
    'capstone results --format md',
    "capstone results --where 'model=resnet18 and level>=3 and acc_drop<=0.5' --sort -speedup,level",
    'capstone results --pareto compressed_acc,compressed_file_size',
    'capstone results --over seed --format csv',
    "capstone results --compare 'level=1 and batch_size=1' 'level=5 and batch_size=1'",
    'capstone results --run latest',
  ],
  flags: [
    { name: '--format', value: FORMATS.join('|'), description: 'How to print them.', default: 'table' },
    {
      name: '--where',
      value: 'EXPR',
      description: 'Only rows that meet the condition; several times: that meet all.',
      repeats: true,
    },
    { name: '--run', value: 'RUN', description: 'Rows of one run: an id, the beginning of one, or latest.' },
    {
      name: '--sort',
      value: 'COLUMNS',
      description: 'By these columns, comma between them; - before a name: highest first. Unknown is last.',
    },
    {
      name: '--pareto',
      value: 'COLUMNS',
      optional: true,
      description: `Only rows that no other beats in these columns; without a value: ${DEFAULT_PARETO}.`,
    },
    { name: '--over', value: 'seed', description: 'Mean, standard deviation and number over the seeds.' },
    {
      name: '--compare',
      value: 'EXPR',
      several: true,
      description: 'Two rows side by side with their difference; each EXPR has to match one row.',
    },
    ...PLACE_FLAGS,
  ],
  async run(flags, _args, io) {
    const request = requestFrom(flags);
    const rows = rowsOf(flags, io).filter((row) =>
      request.conditions.every((condition) => matches(condition, row)),
    );
    if (request.compare !== undefined) {
      const [a, b] = request.compare.map((text) => onlyRow(rows, text, '--compare'));
      if (a !== undefined && b !== undefined) io.stdout.write(COMPARISONS[request.format](a, b));
      return EXIT.done;
    }
    const lines: readonly Line[] = request.overSeeds ? overSeeds(rows) : rows;
    const kept = request.goals === undefined ? lines : frontierSaid(lines, request.goals, io);
    io.stdout.write(draw(sortLines(kept, request.keys), request, io.stdout.columns ?? 100));
    return EXIT.done;
  },
});

/** What was asked for, every flag checked before a file is read. */
function requestFrom(flags: FlagValues) {
  const format = oneOf('--format', flags['--format'] ?? 'table', FORMATS);
  const over = flags['--over'];
  if (over !== undefined) oneOf('--over', over, ['seed']);
  const { '--sort': sort, '--pareto': pareto, '--compare': compare } = flags;
  const keys = typeof sort === 'string' ? parseSort(sort) : [];
  const goals =
    pareto === undefined ? undefined : parsePareto(pareto === true ? DEFAULT_PARETO : String(pareto));
  const conditions = [flags['--where'] ?? []].flat().map((text) => expressionGiven(String(text), '--where'));
  if (Array.isArray(compare)) checkCompare(compare, flags);
  return {
    format,
    keys,
    goals,
    conditions,
    overSeeds: over !== undefined,
    ranked: [...(goals ?? []), ...keys].map(({ column }): ColumnName => column),
    ...(Array.isArray(compare) ? { compare: compare as readonly string[] } : {}),
  };
}

function checkCompare(texts: readonly string[], flags: FlagValues): void {
  if (texts.length !== 2) {
    throw new UserError('flag_invalid', `--compare: expected two conditions, found ${texts.length}`, [
      "For example: --compare 'level=1 and batch_size=1' 'level=5 and batch_size=1'",
    ]);
  }
  for (const text of texts) expressionGiven(text, '--compare');
  const idle = ['--sort', '--pareto', '--over'].filter((flag) => flags[flag] !== undefined);
  if (idle.length > 0) {
    throw new UserError('flag_invalid', `--compare shows two rows: leave out ${idle.join(', ')}`);
  }
}

function oneOf<T extends string>(flag: string, value: unknown, known: readonly T[]): T {
  const found = known.find((word) => word === value);
  if (found !== undefined) return found;
  const guess = nearest(String(value), known);
  throw new UserError('flag_invalid', `${flag}: expected ${known.join(' or ')}, found "${value}"`, [
    ...(guess === undefined ? [] : [`Did you mean "${guess}"?`]),
  ]);
}

function rowsOf(flags: FlagValues, io: Io): Row[] {
  const { workspace } = placeFrom(flags, io);
  const file = workspacePaths(workspace).rows;
  const rows = existsSync(file) ? parseCsv(readFileSync(file, 'utf8')).rows : [];
  const { '--run': run } = flags;
  if (typeof run === 'string') return rowsOfRun(workspace, findRun(workspace, run), rows);
  if (rows.length === 0) {
    throw new UserError('rows_missing', `${file} holds no rows yet`, [
      'Measure something first: capstone sweep',
    ]);
  }
  return rows;
}

/** Those it ended with; of a run that has not ended, those that it has measured so far. */
function rowsOfRun(workspace: string, id: string, rows: readonly Row[]): Row[] {
  return readResults(runPaths(workspace, id).results) ?? rows.filter((row) => row.run === id);
}

function frontierSaid(lines: readonly Line[], goals: readonly Goal[], io: Io): readonly Line[] {
  const found = frontier(lines, goals);
  const names = goals.map(({ column, better }) => `${column} (${better} is better)`).join(' and ');
  const unknown = found.unknown === 0 ? '' : `, ${found.unknown} left out where one of them is unknown`;
  io.stderr.write(
    `By ${names}: ${found.lines.length} rows that no other beats, ${found.dominated} beaten${unknown}.\n`,
  );
  const dense = besideDense(lines, goals);
  if (dense !== undefined) io.stderr.write(`${dense}\n`);
  return found.lines;
}

function draw(
  lines: readonly Line[],
  { format, overSeeds, ranked }: ReturnType<typeof requestFrom>,
  width: number,
): string {
  switch (format) {
    case 'table':
      return ranked.length > 0 ? toList(lines, ranked) : toTable(lines, { width });
    case 'csv':
      return overSeeds ? overSeedsToCsv(lines) : rowsToCsv(lines);
    case 'json':
      return overSeeds ? overSeedsToJson(lines) : toJson(lines);
    case 'md':
      return toMarkdown(lines);
  }
}
