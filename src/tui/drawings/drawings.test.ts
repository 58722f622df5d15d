import { expect, test } from 'vitest';
import type { Line } from '../line.ts';
import { bar } from './bar.ts';
import { drawCurves, type Series } from './curve.ts';
import { drawScatter } from './scatter.ts';

const text = (lines: readonly Line[]) =>
  lines
    .map((spans) =>
      spans
        .map((span) => span.text)
        .join('')
        .trimEnd(),
    )
    .join('\n');
const seriesOf = (name: string, ...values: (number | null)[]): Series => ({
  name,
  points: values.map((y, x) => ({ x, y })),
});
const format = (value: number) => value.toFixed(0);
const drawn = (series: readonly [Series, Series?], width: number, height: number, ascii: boolean) =>
  text(drawCurves({ title: 'acc', series, format }, width, height, ascii));
const ACC = seriesOf('test', 10, 40, 60, 70, 75, null, 80);

test('a curve in braille, and in ASCII; an unknown value leaves a gap', () => {
  expect(drawn([ACC], 24, 5, false)).toMatchInlineSnapshot(`
    "test acc 80
    80 │       ⢀⣀⡠⠤⠤⠒⠂     ⠈
       │    ⢀⡠⠊⠁
       │  ⢀⠔⠁
    10 │⡠⠊⠁"
  `);
  expect(drawn([ACC], 24, 5, true)).toMatchInlineSnapshot(`
    "test acc 80
    80 │         *****     *
       │     ****
       │  ***
    10 │**"
  `);
});

test('a second curve is dotted, with its own epochs, and the line goes before it', () => {
  const train: Series = { name: 'train', points: [0.5, 2, 6].map((x) => ({ x, y: 15 + 10 * x })) };
  expect(drawn([ACC, train], 40, 6, false)).toMatchInlineSnapshot(`
    "test acc 80 ··· train 75
    80 │                 ⣀⣀⡠⠤⠤⠔⠒        ⡀ ⠄⠈
       │          ⣀⠤⠒⠒⠉⠉⠉     ⡀ ⠄ ⠂ ⠂ ⠁
       │      ⣀⠤⠒⠉    ⡀ ⠄ ⠂ ⠁
       │   ⡠⠔⠉⡀ ⠄ ⠂ ⠁
    10 │⡠⠔⠉ ⠁"
  `);
  expect(drawn([ACC, train], 40, 6, true)).toMatchInlineSnapshot(`
    "test acc 80 ··· train 75
    80 │                     ***        . .*
       │          ***********   . . . .
       │     *****      . . . .
       │  *** . . . . .
    10 │**"
  `);
  expect(drawn([seriesOf('test'), train], 40, 3, true)).toContain('train acc 75');
});

test('a curve of one value, of equal ones and of none', () => {
  expect(drawn([seriesOf('test', 3)], 20, 3, true)).toMatchInlineSnapshot(`
    "test acc 3
      │
    3 │*"
  `);
  expect(drawn([seriesOf('test', 3, 3)], 20, 3, true)).toMatchInlineSnapshot(`
    "test acc 3
      │
    3 │*****************"
  `);
  expect(drawn([seriesOf('test', null)], 20, 3, true)).toBe('acc');
});

test('a scatter draws what matters most where points fall together', () => {
  const point = (x: number, y: number, mark: string, weight: number) => ({
    x,
    y,
    mark,
    weight,
    tone: 'plain' as const,
  });
  const axis = (label: string) => ({ label, format: (value: number) => value.toFixed(1) });
  const points = [point(0, 0, '.', 0), point(1, 1, '.', 0), point(1, 1, '@', 3), point(0.5, 0.9, 'o', 1)];
  expect(text(drawScatter(points, axis('ms'), axis('acc'), 30, 8))).toMatchInlineSnapshot(`
    "acc
    1.0 │            o          @
        │
        │
        │
    0.0 │.
        └────────────────────────
         0.0 ms               1.0"
  `);
  expect(text(drawScatter([], axis('ms'), axis('acc'), 30, 8))).toBe('no row knows both measures');
});

test('a bar is as wide as it should be, however full', () => {
  for (const fraction of [-1, 0, 0.31, 0.99, 1, 2]) {
    expect(
      bar(fraction, 10)
        .map((span) => span.text)
        .join(''),
    ).toHaveLength(10);
  }
});
