/**
 * Rows for people, in the order they come. One block for each original and recipe: measures down, the original and its levels side by side.
 * Where they do not fit, the levels are shared out over bands, each with the original beside them.
 */
import stringWidth from 'string-width';
import { groupBy } from './group-by.ts';
import { phrases, splitIdentity } from './identity.ts';
import type { Line } from './line.ts';
import { legendFor, measuresFor, UNKNOWN } from './measures.ts';
import { printable } from './printable.ts';

const GAP = '  ';
/** Said of every block, differing or not. */
const TITLE = ['model', 'dataset', 'recipe'] as const;

/** Of a block: a heading alone, or a label, the original's cell and one for each level. */
type Drawn = { readonly heading: string } | { readonly label: string; readonly cells: readonly string[] };

export function toTable(rows: readonly Line[], { width }: { width: number }): string {
  const [first] = rows;
  if (first === undefined) return 'No results.\n';
  const { varying, common } = splitIdentity(rows);
  const titled = [...TITLE, ...varying.filter((column) => !isWithinBlock(column) && !isTitle(column))];
  const blocks = groupBy(rows, (row) => phrases(row, titled).join(' · '));
  const shared = common.filter((column) => !isWithinBlock(column) && !isTitle(column));
  const parts = [...blocks.values()].map((block) => [
    ...wrapped(phrases(block[0], titled), width),
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
  const levels = [...new Set(rows.map((row) => row.level))];
  const lines: Drawn[] = [
    { label: '', cells: ['original', ...levels.map((level) => `level ${level}`)] },
    ...linesOf(rows, levels, false),
  ];
  for (const batch of groupBy(rows, (row) => row.batch_size).values()) {
    const [heading = ''] = phrases(batch[0], ['batch_size']);
    lines.push({ heading: '' }, { heading }, ...linesOf(batch, levels, true));
  }
  return drawBands(lines, levels.length, width);
}

function linesOf(rows: readonly Line[], levels: readonly number[], perBatch: boolean): Drawn[] {
  return measuresFor(rows)
    .filter((measure) => measure.perBatch === perBatch)
    .map((measure) => ({
      label: measure.label,
      cells: [
        measure.original === undefined ? '' : summary(rows, measure.original),
        ...levels.map((level) =>
          summary(
            rows.filter((row) => row.level === level),
            measure.compressed,
          ),
        ),
      ],
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

function drawBands(lines: readonly Drawn[], levels: number, width: number): string[] {
  const cellLines = lines.filter((line) => 'cells' in line);
  const widest = (texts: readonly string[]) => Math.max(...texts.map((text) => stringWidth(text)));
  const labelWidth = widest(cellLines.map((line) => line.label));
  const originalWidth = widest(cellLines.map((line) => line.cells[0] ?? ''));
  const levelWidth = widest(cellLines.flatMap((line) => line.cells.slice(1)));
  const room = width - labelWidth - GAP.length - originalWidth;
  const fitting = Math.max(1, Math.floor(room / (GAP.length + levelWidth)));
  const perBand = Math.ceil(levels / Math.ceil(levels / fitting));
  const drawLine = (line: Drawn, from: number): string => {
    if ('heading' in line) return line.heading;
    const [original = '', ...compressed] = line.cells;
    const cells = compressed.slice(from, from + perBand).map((text) => padStart(text, levelWidth));
    const label = line.label + ' '.repeat(labelWidth - stringWidth(line.label));
    return [label, padStart(original, originalWidth), ...cells].join(GAP).trimEnd();
  };
  const starts = Array.from({ length: Math.ceil(levels / perBand) }, (_, band) => band * perBand);
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
