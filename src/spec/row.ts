/**
 * One row of results: one original and one artifact on one device, runtime and batch size, both timed in one
 * task; or a dense network alone (`baseline`), which stands where an artifact would. Columns are listed once, here;
 * their order is the CSV's. Unknown is empty (null), never 0.
 *
 * `x-decimals` is how a number is written: that many decimals, halves away from zero, in both languages.
 * `x-better` says which way a column gets better; a column without it is neither. `x-averaged` is false where the
 * mean over several rows says nothing: the mean of interval ends is no end of an interval. `x-comparison` is true of
 * what is said of an artifact beside its original: a dense network has none, and nothing is compared with itself.
 */
import { z } from 'zod';
import { Digest, MeasuredLevel, Name, Runtime, Seed } from './names.ts';

type Better = 'lower' | 'higher';
const text = (description: string) => z.string().nullable().default(null).meta({ description });
const int = (description: string, unit?: string, better?: Better) =>
  z
    .number()
    .int()
    .nullable()
    .default(null)
    .meta({ description, 'x-decimals': 0, ...given(unit, better) });
const number = (decimals: number, description: string, unit?: string, better?: Better) =>
  z
    .number()
    .nullable()
    .default(null)
    .meta({ description, 'x-decimals': decimals, ...given(unit, better) });
/** An end of an interval, or a probability: not to be averaged. */
const unaveraged = (decimals: number, description: string, unit?: string, better?: Better) =>
  number(decimals, description, unit, better).meta({ 'x-averaged': false });
/** Says something of an artifact beside its original; empty where a dense network stands alone. */
const compared = <T extends z.ZodType>(column: T): T =>
  column.meta({ ...column.meta(), 'x-comparison': true });
const given = (unit: string | undefined, better: Better | undefined) => ({
  ...(unit === undefined ? {} : { 'x-unit': unit }),
  ...(better === undefined ? {} : { 'x-better': better }),
});
const flag = (description: string) => z.boolean().nullable().default(null).meta({ description });

const identity = {
  model: Name.meta({ description: 'Network, as the job names it.' }),
  dataset: Name.meta({ description: 'Data set it was trained and tested on.' }),
  recipe: Name.meta({
    description: 'What says which steps make the level; `dense`: none, the network is as it was trained.',
  }),
  level: MeasuredLevel.meta({ 'x-decimals': 0 }),
  seed: Seed.meta({ 'x-decimals': 0 }),
  image_size: z
    .number()
    .int()
    .meta({ description: 'Side of the square input.', 'x-decimals': 0, 'x-unit': 'px' }),
  device: z.enum(['cpu']).meta({ description: 'Where both models ran.' }),
  cpu: z.string().min(1).meta({ description: 'Model name of the CPU.' }),
  runtime: Runtime.meta({ description: 'What executed both models.' }),
  threads: z.number().int().meta({ description: 'Threads of the runtime.', 'x-decimals': 0 }),
  batch_size: z.number().int().meta({ description: 'Images in one call.', 'x-decimals': 0 }),
  eval_samples: z.number().int().meta({ description: 'Test images behind the accuracies.', 'x-decimals': 0 }),
};

/** A newer row with the same values here replaces the older. Rows are sorted by these, in this order. */
export const IDENTITY_COLUMNS = Object.keys(identity) as readonly (keyof typeof identity)[];

/** Measured on both models: `original_X` then `compressed_X`; of a dense network the latter. */
const pair = <S extends string, T extends z.ZodType>(suffix: S, schema: T) =>
  ({ [`original_${suffix}`]: compared(schema), [`compressed_${suffix}`]: schema }) as Record<
    `original_${S}` | `compressed_${S}`,
    T
  >;

export const Row = z
  .strictObject({
    ...identity,
    ...pair('params', int('Weights and biases in the network.', undefined, 'lower')),
    ...pair('nonzero', int('Parameters that are not zero.', undefined, 'lower')),
    ...pair('sparsity', number(4, 'Share of parameters that are zero, 0 to 1.', undefined, 'higher')),
    ...pair('macs', int('Multiply-accumulates for one image.', undefined, 'lower')),
    ...pair('latency_ms', number(3, 'Median latency of one call.', 'ms', 'lower')),
    ...pair('latency_p90_ms', number(3, '90th percentile of the latency.', 'ms', 'lower')),
    ...pair('throughput', number(1, 'Images a second, from the mean latency.', 'img/s', 'higher')),
    ...pair('acc', number(2, 'Top-1 accuracy on the test images.', '%', 'higher')),
    ...pair(
      'acc_low',
      unaveraged(2, 'Lower end of the 99 % interval of the accuracy (Wilson).', '%', 'higher'),
    ),
    ...pair(
      'acc_high',
      unaveraged(2, 'Upper end of the 99 % interval of the accuracy (Wilson).', '%', 'higher'),
    ),
    ...pair('file_size', int('Size of the model file.', 'bytes', 'lower')),
    ...pair('peak_memory_mb', number(1, 'Peak resident memory of a fresh process.', 'MB', 'lower')),
    ...pair('dtype', text('What the weights executed in.')),
    size_ratio: compared(number(2, 'Original file size over compressed file size.', 'x', 'higher')),
    speedup: compared(
      number(3, 'How many times longer the original takes, by single rounds, same runtime.', 'x', 'higher'),
    ),
    speedup_low: compared(unaveraged(3, 'Lower end of the 99 % interval of the speed-up.', 'x', 'higher')),
    speedup_high: compared(unaveraged(3, 'Upper end of the 99 % interval of the speed-up.', 'x', 'higher')),
    verdict: compared(
      z
        .enum(['faster', 'slower', 'no_difference'])
        .nullable()
        .default(null)
        .meta({ description: 'From the interval and a margin of 2 %, never from the point.' }),
    ),
    eager_latency_ms: number(3, 'Original in torch eager fp32, same threads and batch.', 'ms'),
    speedup_vs_eager: compared(
      number(3, 'How many times longer that takes, by single rounds.', 'x', 'higher'),
    ),
    best_original_runtime: text('Runtime and dtype in which the original is fastest here without loss.'),
    best_original_latency_ms: number(3, 'Latency of the original there.', 'ms'),
    speedup_vs_best_original: compared(
      number(3, 'What compressing gained over the best the original can do.', 'x', 'higher'),
    ),
    original_best_device: text('Device on which the original is fastest here.'),
    original_best_device_latency_ms: number(3, 'Latency of the original there.', 'ms'),
    acc_drop: compared(number(2, 'Accuracy lost, in percentage points.', 'points', 'lower')),
    acc_drop_low: compared(
      unaveraged(2, 'Lower end of the 99 % interval of the drop (paired bootstrap).', 'points', 'lower'),
    ),
    acc_drop_high: compared(
      unaveraged(2, 'Upper end of the 99 % interval of the drop (paired bootstrap).', 'points', 'lower'),
    ),
    mcnemar_p: compared(unaveraged(4, 'Exact McNemar test of the two models’ errors.')),
    deterministic: flag('Whether training and compressing again gives the same bits.'),
    noise: text('What disturbed the measurement, if anything.'),
    baseline: flag('A dense network of its own, for comparison: never compressed, measured alone.'),
    original_sha256: Digest.nullable()
      .default(null)
      .meta({ description: 'SHA-256 of the original’s file, or of the dense network’s.' }),
    artifact_sha256: compared(
      Digest.nullable().default(null).meta({ description: 'SHA-256 of the artifact.' }),
    ),
    run: text('Run that measured the row.'),
    task_key: Digest.nullable().default(null).meta({ description: 'Key of the benchmark task.' }),
    torch: text('Version of torch.'),
    timestamp: text('When, ISO 8601 UTC.'),
  })
  .meta({
    title: 'capstone row',
    description: 'One line of benchmark_levels.csv.',
    'x-identity': IDENTITY_COLUMNS,
  });
export type Row = z.infer<typeof Row>;
export type ColumnName = keyof Row;
