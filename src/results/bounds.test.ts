import { expect, test } from 'vitest';
import { denseRow, row } from '../../test/fixtures/row.ts';
import { describeMissed, missedBounds } from './bounds.ts';

test('each missed bound with its row, what the row says and the bound; unknown is a miss', () => {
  const rows = [
    row({ level: 5, acc_drop: 0.7249 }),
    row({ level: 1 }),
    row({ level: 3, acc_drop: null, batch_size: 64 }),
  ];
  expect(missedBounds(rows, ['acc_drop<=0.5', 'level<5 or verdict=faster']).map(describeMissed)).toEqual([
    'bound missed: acc_drop<=0.5: resnet18 · cifar10 · classic · level 3 · batch 64: acc_drop is unknown',
    'bound missed: acc_drop<=0.5: resnet18 · cifar10 · classic · level 5 · batch 1: acc_drop is 0.72',
    'bound missed: level<5 or verdict=faster: resnet18 · cifar10 · classic · level 5 · batch 1: level is 5, verdict is no_difference',
  ]);
});

test('a bound on what an artifact is beside its original is not for a dense network; any other is', () => {
  const dense = denseRow({ compressed_acc: 90 });
  const bounds = [
    'acc_drop<=0.5',
    'speedup>=1 and compressed_acc>=92',
    'compressed_acc>=92',
    'compressed_macs<=1',
  ];
  expect(missedBounds([dense], bounds).map(describeMissed)).toEqual([
    'bound missed: compressed_acc>=92: resnet18 · cifar10 · dense · level 0: compressed_acc is 90.00',
    'bound missed: compressed_macs<=1: resnet18 · cifar10 · dense · level 0: compressed_macs is unknown',
  ]);
  expect(missedBounds([{ ...dense, baseline: false }], ['acc_drop<=0.5'])).toHaveLength(1);
});

test('nothing is missed without bounds, or without rows', () => {
  expect(missedBounds([row()], [])).toEqual([]);
  expect(missedBounds([], ['acc_drop<=0.5'])).toEqual([]);
});
