/**
 * The results in both READMEs: rows of benchmark_levels.csv between two markers, in few enough columns for a page. The
 * first marker names the runs they are of: what a reader measures in a clone of their own is no part of the page.
 */
import { parseCsv } from '../../src/results/csv.ts';
import { groupBy } from '../../src/results/group-by.ts';
import { compareRows, identityKey, phrases } from '../../src/results/identity.ts';
import { UNKNOWN } from '../../src/results/measures.ts';
import { fixed, threeDigits } from '../../src/results/number.ts';
import { IDENTITY_COLUMNS, type Row } from '../../src/spec/row.ts';
import { table } from './markdown.ts';

const BEGIN = /<!-- results:begin of ([^,]+), by `npm run docs` -->/;
const END = '<!-- results:end -->';

type Verdict = NonNullable<Row['verdict']>;

export interface Words extends Readonly<Record<Verdict, string>> {
  readonly level: string;
  readonly original: string;
  best(runtimes: string): string;
  readonly sparsity: string;
  readonly fileSize: string;
  readonly accuracy: string;
  readonly drop: string;
  latency(batch: number): string;
  speedup(batch: number): string;
  readonly none: string;
}

export const ENGLISH: Words = {
  level: 'level',
  original: 'original',
  best: (runtimes) => `original at its best: ${runtimes}`,
  sparsity: 'sparsity %',
  fileSize: 'file MB',
  accuracy: 'accuracy %',
  drop: 'drop, points (99 % interval)',
  latency: (batch) => `ms, batch ${batch}`,
  speedup: (batch) => `speed-up, batch ${batch} (99 % interval)`,
  faster: 'faster',
  slower: 'slower',
  no_difference: 'no difference',
  none: '`benchmark_levels.csv` holds no rows yet.',
};

export const KOREAN: Words = {
  level: '레벨',
  original: '원본',
  best: (runtimes) => `원본의 최선: ${runtimes}`,
  sparsity: '희소도 %',
  fileSize: '파일 MB',
  accuracy: '정확도 %',
  drop: '정확도 하락, %p (99 % 구간)',
  latency: (batch) => `ms, 배치 ${batch}`,
  speedup: (batch) => `속도 향상, 배치 ${batch} (99 % 구간)`,
  faster: '빨라짐',
  slower: '느려짐',
  no_difference: '차이 없음',
  none: '`benchmark_levels.csv`에 아직 행이 없습니다.',
};

/** The README with what stands between the markers made anew. */
export function withResults(readme: string, csv: string, words: Words): string {
  const [begin, runs = ''] = readme.match(BEGIN) ?? [];
  const end = readme.indexOf(END);
  if (begin === undefined || end === -1) throw new Error('no results:begin or results:end in a README');
  const before = readme.slice(0, readme.indexOf(begin));
  return `${before}${begin}\n\n${results(csv, runs.split(' '), words)}\n\n${readme.slice(end)}`;
}

function results(csv: string, runs: readonly string[], words: Words): string {
  const all = csv === '' ? [] : parseCsv(csv).rows.toSorted(compareRows);
  const rows = all.filter(({ run }) => run !== null && runs.includes(run));
  if (rows.length === 0) return words.none;
  return [...groupBy(rows, (row) => identityKey(row, SHARED)).values()]
    .map((group) => `${caption(group[0])}\n\n${drawGroup(group, words)}`)
    .join('\n\n');
}

function caption(row: Row): string {
  const version = row.torch === null ? [] : [`torch ${row.torch}`];
  return [...phrases(row, SHARED), ...version].join(' · ');
}

/** What the rows of one table have in common. */
const SHARED = IDENTITY_COLUMNS.filter((column) => column !== 'level' && column !== 'batch_size');

function drawGroup(rows: readonly [Row, ...Row[]], words: Words): string {
  const batches = [...groupBy(rows, (row) => row.batch_size)];
  const header = [
    words.level,
    words.sparsity,
    words.fileSize,
    words.accuracy,
    words.drop,
    ...batches.flatMap(([batch]) => [words.latency(batch), words.speedup(batch)]),
  ];
  const [first] = rows;
  const original = [
    words.original,
    share(first.original_sparsity),
    megabytes(first.original_file_size),
    known(first.original_acc, (percent) => fixed(percent, 2)),
    '',
    ...batches.flatMap(([, ofBatch]) => [range(ofBatch.map((row) => row.original_latency_ms)), '']),
  ];
  const levels = [...groupBy(rows, (row) => row.level)].map(([level, ofLevel]) => [
    String(level),
    share(ofLevel[0].compressed_sparsity),
    megabytes(ofLevel[0].compressed_file_size),
    known(ofLevel[0].compressed_acc, (percent) => fixed(percent, 2)),
    withInterval(ofLevel[0].acc_drop, ofLevel[0].acc_drop_low, ofLevel[0].acc_drop_high),
    ...batches.flatMap(([batch]) =>
      timing(
        ofLevel.find((row) => row.batch_size === batch),
        words,
      ),
    ),
  ]);
  return table(header, [original, ...bestOriginal(rows, batches, words), ...levels]);
}

/** What a user would get without compressing; rows of before 0.2 do not say. */
function bestOriginal(
  rows: readonly Row[],
  batches: readonly (readonly [number, readonly Row[]])[],
  words: Words,
): string[][] {
  const runtimes = [...new Set(rows.flatMap((row) => row.best_original_runtime ?? []))];
  if (runtimes.length === 0) return [];
  const [first] = rows;
  const times = batches.flatMap(([, ofBatch]) => [
    range(ofBatch.map((row) => row.best_original_latency_ms)),
    '',
  ]);
  const same = [share(first?.original_sparsity ?? null), megabytes(first?.original_file_size ?? null)];
  // Its accuracy is looked at, and not kept.
  return [[words.best(runtimes.join(', ')), ...same, '', '', ...times]];
}

function timing(row: Row | undefined, words: Words): [string, string] {
  if (row === undefined) return [UNKNOWN, UNKNOWN];
  const speedup = withInterval(row.speedup, row.speedup_low, row.speedup_high);
  return [
    known(row.compressed_latency_ms, threeDigits),
    row.verdict === null ? speedup : `${speedup} ${words[row.verdict]}`,
  ];
}

/** Levels that were not measured together each have a time of the original. */
function range(values: readonly (number | null)[]): string {
  const times = values.filter((value) => value !== null);
  const ends = [Math.min(...times), Math.max(...times)].map(threeDigits);
  return times.length === 0 ? UNKNOWN : [...new Set(ends)].join(' – ');
}

function withInterval(value: number | null, low: number | null, high: number | null): string {
  const two = (number: number | null) => known(number, (known) => fixed(known, 2));
  return value === null ? UNKNOWN : `${two(value)} (${two(low)} … ${two(high)})`;
}

function share(value: number | null): string {
  return known(value, (part) => fixed(100 * part, 1));
}

function megabytes(bytes: number | null): string {
  return known(bytes, (size) => threeDigits(size / 1e6));
}

function known(value: number | null, show: (value: number) => string): string {
  return value === null ? UNKNOWN : show(value);
}
