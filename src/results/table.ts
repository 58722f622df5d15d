/**
 * Rows for people, in the order they come. One block for each original and recipe: measures down, the original and its
 * levels side by side; and one for dense networks, side by side. Where they do not fit, they are shared out over bands,
 * each with the original beside its levels.
 */
import stringWidth from 'string-width';
import { groupBy } from './group-by.ts';
import { phrases, splitIdentity } from './identity.ts';
import { isDense, type Line } from './line.ts';
import { inOneCell, legendFor, type Measure, measuresFor, UNKNOWN } from './measures.ts';
import { printable } from './printable.ts';

const GAP = '  ';
/** Said of every block, differing or not. */
const TITLE = ['model', 'dataset', 'recipe'] as const;

/** Of a block: a heading alone, or a label, the original's cell where there is one, and one for each column. */
type Drawn =
  | { readonly heading: string }
  | { readonly label: string; readonly original: string | undefined; readonly cells: readonly string[] };

/** What stands side by side in a block. */
interface BlockColumn {
  readonly label: string;
  has(row: Line): boolean;
}

export function toTable(rows: readonly Line[], { width }: { width: number }): string {
  const [first] = rows;
  if (first === undefined) return 'No results.\n';
  const { varying, common } = splitIdentity(rows);
  const titled = [...TITLE, ...varying.filter((column) => !isWithinBlock(column) && !isTitle(column))];
  /** Dense networks are compared with each other: the model tells their columns apart. */
  const titleOf = (row: Line) =>
    phrases(row, isDense(row) ? titled.filter((column) => column !== 'model') : titled);
  const blocks = groupBy(rows, (row) => titleOf(row).join(' · '));
  const shared = common.filter((column) => !isWithinBlock(column) && !isTitle(column));
  const parts = [...blocks.values()].map((block) => [
    ...wrapped(titleOf(block[0]), width),
    '',
    ...drawBlock(block, width),
  ]);
  const caption = [...wrapped(phrases(first, shared), width), legendFor(rows), ...noiseOf(rows)];
  return [...parts, caption].map((lines) => `${lines.join('\n')}\n`).join('\n');
}

function isWithinBlock(column: string): boolean {
  return column === 'level' || column === 'batch_size';
}

function isTitle(column: string): boolean {
  return TITLE.some((title) => title === column);
}

function drawBlock(rows: readonly Line[], width: number): string[] {
  const areDense = rows.every(isDense);
  const columns = areDense ? modelsOf(rows) : levelsOf(rows);
  const lines: Drawn[] = [
    { label: '', original: areDense ? undefined : 'original', cells: columns.map(({ label }) => label) },
    ...linesOf(rows, columns, areDense, false),
  ];
  for (const batch of groupBy(rows, (row) => row.batch_size).values()) {
    const [heading = ''] = phrases(batch[0], ['batch_size']);
    lines.push({ heading: '' }, { heading }, ...linesOf(batch, columns, areDense, true));
  }
  return drawBands(lines, columns.length, width);
}

function levelsOf(rows: readonly Line[]): BlockColumn[] {
  const levels = [...new Set(rows.map((row) => row.level))];
  return levels.map((level) => ({ label: `level ${level}`, has: (row) => row.level === level }));
}

function modelsOf(rows: readonly Line[]): BlockColumn[] {
  const models = [...new Set(rows.map((row) => row.model))];
  return models.map((model) => ({ label: model, has: (row) => row.model === model }));
}

function linesOf(
  rows: readonly Line[],
  columns: readonly BlockColumn[],
  areDense: boolean,
  perBatch: boolean,
): Drawn[] {
  const show = (measure: Measure) =>
    areDense ? (row: Line) => inOneCell(measure, row) : (row: Line) => measure.compressed(row);
  return measuresFor(rows)
    .filter((measure) => measure.perBatch === perBatch)
    .map((measure) => ({
      label: measure.label,
      original: areDense ? undefined : measure.original === undefined ? '' : summary(rows, measure.original),
      cells: columns.map(({ has }) => summary(rows.filter(has), show(measure))),
    }));
}

/**
 * What the rows say of one thing: the original is timed anew beside each level, so its latency is a range; over
 * seeds, of the means.
 */
function summary(rows: readonly Line[], show: (row: Line) => string): string {
  const texts = [...new Set(rows.map(show))].filter((text) => text !== UNKNOWN);
  if (texts.length < 2) return texts[0] ?? UNKNOWN;
  const numbers = [...new Set(texts.map((text) => text.split(' ')[0] ?? UNKNOWN))];
  const [lowest = UNKNOWN, ...others] = numbers.toSorted((a, b) => Number(a) - Number(b));
  return others.length === 0 ? lowest : `${lowest}–${others.at(-1)}`;
}

function drawBands(lines: readonly Drawn[], count: number, width: number): string[] {
  const cellLines = lines.filter((line) => 'cells' in line);
  const widest = (texts: readonly string[]) => Math.max(...texts.map((text) => stringWidth(text)));
  const labelWidth = widest(cellLines.map((line) => line.label));
  const originals = cellLines.flatMap((line) => line.original ?? []);
  const originalWidth = originals.length === 0 ? 0 : GAP.length + widest(originals);
  const cellWidth = widest(cellLines.flatMap((line) => line.cells));
  const room = width - labelWidth - originalWidth;
  const fitting = Math.max(1, Math.floor(room / (GAP.length + cellWidth)));
  const perBand = Math.ceil(count / Math.ceil(count / fitting));
  const drawLine = (line: Drawn, from: number): string => {
    if ('heading' in line) return line.heading;
    const cells = line.cells.slice(from, from + perBand).map((text) => padStart(text, cellWidth));
    const label = line.label + ' '.repeat(labelWidth - stringWidth(line.label));
    return [label + padStart(line.original ?? '', originalWidth), ...cells].join(GAP).trimEnd();
  };
  const starts = Array.from({ length: Math.ceil(count / perBand) }, (_, band) => band * perBand);
  return starts.flatMap((from) => [
    ...(from === 0 ? [] : ['']),
    ...lines.map((line) => drawLine(line, from)),
  ]);
}

function padStart(text: string, width: number): string {
  return ' '.repeat(width - stringWidth(text)) + text;
}

/** What disturbed a measurement belongs beside it. */
function noiseOf(rows: readonly Line[]): string[] {
  return rows.flatMap((row) =>
    row.noise === null
      ? []
      : [`noisy: ${phrases(row, [...TITLE, 'level', 'batch_size']).join(' · ')}: ${printable(row.noise)}`],
  );
}

/** As many phrases in a line as fit. */
function wrapped(texts: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const text of texts) {
    const last = lines.at(-1);
    const joined = last === undefined ? text : `${last} · ${text}`;
    if (last === undefined || stringWidth(joined) > width) lines.push(text);
    else lines[lines.length - 1] = joined;
  }
  return lines;
}
