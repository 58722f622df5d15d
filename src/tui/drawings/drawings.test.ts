import { expect, test } from 'vitest';
import type { Line } from '../line.ts';
import { bar } from './bar.ts';
import { drawCurve } from './curve.ts';
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
const acc = {
  title: 'acc',
  values: [10, 40, 60, 70, 75, null, 80],
  format: (value: number) => value.toFixed(0),
};

test('a curve in braille, and in ASCII; an unknown value leaves a gap', () => {
  expect(text(drawCurve(acc, 24, 5, false))).toMatchInlineSnapshot(`
    "acc 80
    80 │       ⢀⣀⡠⠤⠤⠒⠂     ⠈
       │    ⢀⡠⠊⠁
       │  ⢀⠔⠁
    10 │⡠⠊⠁"
  `);
  expect(text(drawCurve(acc, 24, 5, true))).toMatchInlineSnapshot(`
    "acc 80
    80 │         *****     *
       │     ****
       │  ***
    10 │**"
  `);
});

test('a curve of one value, of equal ones and of none', () => {
  expect(text(drawCurve({ ...acc, values: [3] }, 20, 3, true))).toMatchInlineSnapshot(`
    "acc 3
      │
    3 │*"
  `);
  expect(text(drawCurve({ ...acc, values: [3, 3] }, 20, 3, true))).toMatchInlineSnapshot(`
    "acc 3
      │
    3 │*****************"
  `);
  expect(text(drawCurve({ ...acc, values: [null] }, 20, 3, true))).toBe('acc');
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
