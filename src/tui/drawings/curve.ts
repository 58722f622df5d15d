/** Values over time, in a few lines of text with their range at the left. */
import { cell, type Line, type Span, widthOf } from '../line.ts';
import { Dots } from './dots.ts';

export interface Point {
  readonly x: number;
  /** Null: not known, which leaves a gap. */
  readonly y: number | null;
}

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
}

export interface Curves {
  readonly title: string;
  /** The first is drawn as a line, a second dotted, so that no colour is needed to tell them apart. */
  readonly series: readonly [Series, Series?];
  readonly format: (value: number) => string;
  /** Said behind the title. */
  readonly note?: string;
}

/** `height` lines, the title among them. No values: the title alone. */
export function drawCurves(
  { title, series, format, note = '' }: Curves,
  width: number,
  height: number,
  ascii: boolean,
): Line[] {
  const drawn = series.filter((one) => one?.points.some(({ y }) => y !== null) === true) as Series[];
  const known = drawn.flatMap(({ points }) => points.filter((point): point is Known => point.y !== null));
  if (known.length === 0 || height < 2) return [[{ text: title, tone: 'dim' }]];
  const [low, high] = [Math.min(...known.map(({ y }) => y)), Math.max(...known.map(({ y }) => y))];
  const [first, last] = [Math.min(...known.map(({ x }) => x)), Math.max(...known.map(({ x }) => x))];
  const labels = [high === low ? '' : format(high), format(low)];
  const gutter = Math.max(...labels.map(widthOf));
  const layers = drawn.map(({ points }, layer) => {
    const dots = new Dots(Math.max(1, width - gutter - 2), height - 1, ascii);
    const across = (x: number) =>
      last === first ? 0 : Math.round(((x - first) / (last - first)) * (dots.across - 1));
    const down = (y: number) =>
      high === low ? dots.down - 1 : Math.round(((high - y) / (high - low)) * (dots.down - 1));
    const isSet = layer === 0 ? () => true : (x: number) => x % (ascii ? 2 : 4) === 0;
    let before: Known | undefined;
    for (const { x, y } of points) {
      const point = y === null ? undefined : { x: across(x), y: down(y) };
      if (point !== undefined) join(dots, before ?? point, point, isSet);
      before = point;
    }
    return dots.rows();
  });
  return [
    titleOf(title, drawn, format, note),
    ...Array.from({ length: height - 1 }, (_, row): Line => {
      const label = row === 0 ? labels[0] : row === height - 2 ? labels[1] : '';
      return [
        { text: `${cell(label ?? '', gutter, 'right')} │`, tone: 'dim' },
        ...overlaid(layers[0]?.[row] ?? '', layers[1]?.[row] ?? ''),
      ];
    }),
  ];
}

interface Known {
  readonly x: number;
  readonly y: number;
}

function titleOf(title: string, drawn: readonly Series[], format: Curves['format'], note: string): Line {
  const latest = ({ points }: Series) => format(points.findLast(({ y }) => y !== null)?.y ?? Number.NaN);
  const [first, second] = drawn;
  return [
    { text: `${first?.name} ${title} `, tone: 'dim' },
    { text: first === undefined ? '' : latest(first), tone: 'title' },
    { text: second === undefined ? '' : ` ··· ${second.name} ${latest(second)}`, tone: 'dim' },
    { text: note === '' ? '' : `  ${note}`, tone: 'dim' },
  ];
}

/** The line, and what is dotted where it leaves room. */
function overlaid(solid: string, dotted: string): Span[] {
  const spans: Span[] = [];
  for (const [column, mark] of [...solid].entries()) {
    const isSolid = mark !== ' ';
    const tone = isSolid ? 'accent' : 'dim';
    const under = dotted[column] ?? ' ';
    // One mark in ASCII for both would not tell them apart.
    const text = isSolid ? mark : under === '*' ? '.' : under;
    const last = spans.at(-1);
    if (last?.tone === tone) spans[spans.length - 1] = { text: last.text + text, tone };
    else spans.push({ text, tone });
  }
  return spans;
}

function join(dots: Dots, from: Known, to: Known, isSet: (x: number) => boolean): void {
  const steps = Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y), 1);
  for (let step = 0; step <= steps; step += 1) {
    const share = step / steps;
    const x = Math.round(from.x + share * (to.x - from.x));
    if (isSet(x)) dots.set(x, Math.round(from.y + share * (to.y - from.y)));
  }
}
