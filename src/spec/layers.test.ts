import { expect, test } from 'vitest';
import { type Layer, layerOf, mergeLayers } from './layers.ts';

const layer = (name: string, value: unknown): Layer => ({ name, folder: `/${name}`, value });
const LAYERS = [
  layer('base', { kind: 'sweep', levels: [1, 2, 3], train: { epochs: 1, lr: 0.1 }, models: [{ arch: 'x' }] }),
  layer('job', { levels: [4], train: { epochs: 2 }, models: [{ name: 'y' }] }),
  layer('set', { train: { lr: 0.5 } }),
];

test('objects are merged, lists and plain values replaced; null is a value like others', () => {
  expect(mergeLayers(LAYERS)).toEqual({
    kind: 'sweep',
    levels: [4],
    train: { epochs: 2, lr: 0.5 },
    models: [{ name: 'y' }],
  });
  expect(mergeLayers([layer('a', { train: { lr: 1 } }), layer('b', { train: null })])).toEqual({
    train: null,
  });
  expect(mergeLayers([layer('a', 7), layer('b', { a: 1 })])).toEqual({ a: 1 });
});

test('a key named __proto__ stays a key', () => {
  const merged = mergeLayers([layer('a', {}), layer('b', JSON.parse('{"__proto__": {"lr": 1}}'))]);
  expect(Object.keys(merged as object)).toEqual(['__proto__']);
  expect((merged as { lr?: number }).lr).toBeUndefined();
});

test.each([
  [['kind'], 'base'],
  [['levels', 0], 'job'],
  [['train', 'epochs'], 'job'],
  [['train', 'lr'], 'set'],
  [['models', 0, 'name'], 'job'],
  [['levels', 2], undefined],
  [['models', 0, 'arch'], undefined],
  [['train', 'batch_size'], undefined],
])('%j comes from %s', (path, name) => {
  expect(layerOf(LAYERS, path)?.name).toBe(name);
});
