/** A value over time, in a few lines of text with its range at the left. */
import { cell, type Line } from '../line.ts';
import { Dots } from './dots.ts';

export interface Curve {
  readonly title: string;
  readonly values: readonly (number | null)[];
  readonly format: (value: number) => string;
}

/** `height` lines, the title among them. No values: the title alone. */
export function drawCurve(
  { title, values, format }: Curve,
  width: number,
  height: number,
  ascii: boolean,
): Line[] {
  const known = values.filter((value) => value !== null);
  const latest = known.at(-1);
  if (latest === undefined || height < 2) return [[{ text: title, tone: 'dim' }]];
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const labels = [high === low ? '' : format(high), format(low)];
  const gutter = Math.max(...labels.map((label) => label.length));
  const dots = new Dots(Math.max(1, width - gutter - 2), height - 1, ascii);
  const x = (index: number) =>
    values.length === 1 ? 0 : Math.round((index / (values.length - 1)) * (dots.across - 1));
  const y = (value: number) =>
    high === low ? dots.down - 1 : Math.round(((high - value) / (high - low)) * (dots.down - 1));
  let before: { x: number; y: number } | undefined;
  for (const [index, value] of values.entries()) {
    if (value === null) {
      before = undefined;
      continue;
    }
    const point = { x: x(index), y: y(value) };
    joined(dots, before ?? point, point);
    before = point;
  }
  return [
    [
      { text: title, tone: 'dim' },
      { text: ` ${format(latest)}`, tone: 'title' },
    ],
    ...dots.rows().map((text, row): Line => {
      const label = row === 0 ? labels[0] : row === height - 2 ? labels[1] : '';
      return [
        { text: `${cell(label ?? '', gutter, 'right')} │`, tone: 'dim' },
        { text, tone: 'accent' },
      ];
    }),
  ];
}

function joined(dots: Dots, from: { x: number; y: number }, to: { x: number; y: number }): void {
  const steps = Math.max(Math.abs(to.x - from.x), Math.abs(to.y - from.y), 1);
  for (let step = 0; step <= steps; step += 1) {
    const share = step / steps;
    dots.set(Math.round(from.x + share * (to.x - from.x)), Math.round(from.y + share * (to.y - from.y)));
  }
}
