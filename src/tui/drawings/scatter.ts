/** Points by two measures, each a character; where several fall together the one that matters most is drawn. */
import { cell, type Line, type Span, type Tone } from '../line.ts';

export interface Point {
  readonly x: number;
  readonly y: number;
  readonly mark: string;
  readonly tone: Tone;
  /** The highest is drawn. */
  readonly weight: number;
}

export interface Axis {
  readonly label: string;
  readonly format: (value: number) => string;
}

/** `height` lines, two of them for the horizontal axis. */
export function drawScatter(
  points: readonly Point[],
  xAxis: Axis,
  yAxis: Axis,
  width: number,
  height: number,
): Line[] {
  if (points.length === 0) return [[{ text: 'no row knows both measures', tone: 'dim' }]];
  const [left, right] = rangeOf(points.map(({ x }) => x));
  const [bottom, top] = rangeOf(points.map(({ y }) => y));
  const labels = [yAxis.format(top), yAxis.format(bottom)];
  const gutter = Math.max(...labels.map((label) => label.length));
  const [across, down] = [Math.max(2, width - gutter - 3), Math.max(2, height - 3)];
  const grid = Array.from({ length: down }, () => new Array<Point | undefined>(across).fill(undefined));
  for (const point of points) {
    const column = Math.round(((point.x - left) / (right - left)) * (across - 1));
    const row = Math.round(((top - point.y) / (top - bottom)) * (down - 1));
    const there = grid[row]?.[column];
    if (grid[row] !== undefined && (there === undefined || there.weight < point.weight))
      grid[row][column] = point;
  }
  const [first, last] = [xAxis.format(left), xAxis.format(right)];
  const between = Math.max(1, across - first.length - last.length);
  return [
    [{ text: yAxis.label, tone: 'dim' }],
    ...grid.map((cells, row): Line => {
      const label = row === 0 ? labels[0] : row === down - 1 ? labels[1] : '';
      return [
        { text: `${cell(label ?? '', gutter, 'right')} │`, tone: 'dim' },
        ...cells.map(
          (point): Span => (point === undefined ? { text: ' ' } : { text: point.mark, tone: point.tone }),
        ),
      ];
    }),
    [{ text: `${' '.repeat(gutter)} └${'─'.repeat(across)}`, tone: 'dim' }],
    [{ text: `${' '.repeat(gutter + 2)}${first}${cell(` ${xAxis.label}`, between)}${last}`, tone: 'dim' }],
  ];
}

/** Room around a single value, or the axis would have no length. */
function rangeOf(values: readonly number[]): [number, number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}
