import { expect, test } from 'vitest';
import { formatBytes, formatCount, formatDuration, formatMs, formatPercent, formatRate } from './units.ts';

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.00 kB'],
  [44_789_123, '44.8 MB'],
  [999_499, '999 kB'],
  [999_500, '1.00 MB'],
  [3.5e12, '3.50 TB'],
])('%d bytes: %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  [0, '0'],
  [512, '512'],
  [11_181_642, '11.2 M'],
  [1_814_073_344, '1.81 G'],
  [Number.MAX_SAFE_INTEGER, '9.01 P'],
])('a count of %d: %s', (count, text) => {
  expect(formatCount(count)).toBe(text);
});

test.each([
  [0, '0.0 s'],
  [0.44, '0.4 s'],
  [9.94, '9.9 s'],
  [9.96, '10 s'],
  [59.4, '59 s'],
  [59.6, '1 m 0 s'],
  [72, '1 m 12 s'],
  [3599.6, '1 h 0 m'],
  [7512, '2 h 5 m'],
  [86_399, '1 d 0 h'],
  [273_600, '3 d 4 h'],
])('%d seconds: %s', (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});

test.each([
  [0.256, '0.256 ms'],
  [26.54, '26.5 ms'],
  [999.4, '999 ms'],
  [999.6, '1.00 s'],
  [1520, '1.52 s'],
])('%d ms: %s', (ms, text) => {
  expect(formatMs(ms)).toBe(text);
});

test.each([
  [0.5, '0.500 img/s'],
  [26.54, '26.5 img/s'],
  [99.96, '100 img/s'],
  [1015.4, '1,015 img/s'],
])('%d images a second: %s', (rate, text) => {
  expect(formatRate(rate, 'img')).toBe(text);
});

test('rate in bytes', () => {
  expect(formatRate(5_234_567, 'bytes')).toBe('5.23 MB/s');
});

test('percent', () => {
  expect(formatPercent(91.734)).toBe('91.73 %');
  expect(formatPercent(-0.5, 1)).toBe('-0.5 %');
});
