import { expect, test } from 'vitest';
import { type PrecisionRow, resolvePrecision } from './precision.ts';

/** As in training/test_precision.py, which holds the same rule. */
const OF = { isa: 'amx', family: 'resnet', stem: 'cifar' };
const TABLE: readonly PrecisionRow[] = [
  { ...OF, min_batch_size: 512, precision: 'fp32' },
  { ...OF, min_batch_size: 64, precision: 'bf16' },
];

test.each([
  [63, 'fp32'],
  [64, 'bf16'],
  [511, 'bf16'],
  [512, 'fp32'],
] as const)('auto in batches of %i is %s', (batch_size, expected) => {
  expect(resolvePrecision('auto', { ...OF, batch_size }, TABLE)).toBe(expected);
});

test('without a row fp32; what was asked for is kept', () => {
  const question = { ...OF, batch_size: 64 };
  expect(resolvePrecision('auto', { ...question, isa: 'avx2' }, TABLE)).toBe('fp32');
  expect(resolvePrecision('auto', { ...question, stem: 'imagenet' }, TABLE)).toBe('fp32');
  expect(resolvePrecision('bf16', { ...question, isa: 'avx2' }, TABLE)).toBe('bf16');
  expect(resolvePrecision('fp32', question, TABLE)).toBe('fp32');
});
