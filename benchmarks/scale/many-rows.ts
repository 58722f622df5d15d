/** Rows as if from many benchmarks. */
import { Row } from '../../src/spec/row.ts';

/** No two of one identity: of those a file keeps the last. */
export function manyRows(count: number): Row[] {
  return Array.from({ length: count }, (_, index) =>
    Row.parse({
      model: `net-${Math.floor(index / 10) % 100}`,
      dataset: 'cifar10',
      recipe: 'classic',
      level: 1 + (index % 5),
      seed: Math.floor(index / 1000),
      image_size: 32,
      device: 'cpu',
      cpu: 'A CPU',
      runtime: 'torch',
      threads: 2,
      batch_size: index % 10 < 5 ? 1 : 64,
      eval_samples: 10_000,
      original_params: 11_173_962,
      compressed_params: 11_173_962,
      original_latency_ms: 1 + index / 7,
      compressed_latency_ms: 1 + index / 9,
      original_acc: 93.12,
      compressed_acc: 92.5,
      speedup: 1.2,
      verdict: 'faster',
      original_sha256: 'a'.repeat(64),
      artifact_sha256: 'b'.repeat(64),
      task_key: 'c'.repeat(64),
      timestamp: '2026-01-01T00:00:00Z',
    }),
  );
}
