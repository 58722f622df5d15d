/**
 * The job spec: what a user asks for. Defaults stand here alone; Python's flags read them from
 * schema/job.schema.json, which is generated from this file.
 */
import { z } from 'zod';
import { Code } from './code.ts';
import { describeProblem, parseExpression } from './expression.ts';
import {
  ARCHITECTURES,
  architecture,
  BUNDLED_DATASET,
  Device,
  FORMAT_VERSION,
  LEVELS,
  Level,
  Mean,
  Name,
  PublishedWeights,
  Runtime,
  Seed,
  Std,
  Stem,
  Threads,
} from './names.ts';

export const Model = z
  .strictObject({
    name: Name.meta({ description: 'Labels files and rows.' }),
    arch: Name.optional().meta({ description: 'Which network; default: the name.', examples: ['resnet18'] }),
    code: Code.optional(),
    checkpoint: z
      .string()
      .min(1)
      .optional()
      .meta({
        description: 'Weights to start from; a model with a checkpoint is not trained.',
        examples: ['mine.pth'],
      }),
    baseline: z
      .boolean()
      .optional()
      .meta({
        description:
          'A dense network of its own, for comparison: trained and measured, never compressed. A network that is listed with it and without it is compressed and stands beside what becomes of it.',
        examples: [true],
      }),
    weights: PublishedWeights.optional().meta({
      description: 'Train from torchvision’s weights of this data set; default: from random ones.',
    }),
    stem: Stem.optional().meta({
      description: 'First layers; default: `imagenet`, of the CIFAR ResNets `cifar`.',
    }),
    image_size: z
      .number()
      .int()
      .min(8)
      .max(1024)
      .optional()
      .meta({
        description:
          'Side of the square input in pixels; default: 32, for ViTs 224, which take multiples of 16 from 32.',
        examples: [32],
      }),
    num_classes: z
      .number()
      .int()
      .min(2)
      .max(100_000)
      .optional()
      .meta({
        description:
          'Outputs of the network; default: what the checkpoint of a built-in network has, in a training the classes of the data set.',
        examples: [10],
      }),
    mean: Mean.optional().meta({
      description:
        'Mean of red, green and blue, of images from 0 to 1, that the network expects; default: that of the training images. Beside `std`.',
      examples: [[0.485, 0.456, 0.406]],
    }),
    std: Std.optional().meta({
      description: 'Standard deviation of red, green and blue likewise. Beside `mean`.',
      examples: [[0.229, 0.224, 0.225]],
    }),
  })
  .superRefine((model, context) => {
    const refuse = (key: keyof typeof model, expected: string) =>
      context.addIssue({
        code: 'custom',
        path: [key],
        message: 'not what such a model can have',
        params: { expected, found: JSON.stringify(model[key]) ?? 'nothing' },
      });
    if (model.mean !== undefined && model.std === undefined) refuse('std', 'three numbers beside mean');
    if (model.std !== undefined && model.mean === undefined) refuse('mean', 'three numbers beside std');
    if (model.weights !== undefined && model.mean !== undefined) {
      refuse('mean', 'none beside weights, which have their own');
    }
    if (model.code !== undefined) {
      for (const key of ['arch', 'stem', 'weights'] as const) {
        if (model[key] !== undefined) refuse(key, 'none beside code');
      }
      return;
    }
    const arch = architecture(model.arch ?? model.name);
    if (arch === undefined) return; // the planner says it, with the nearest known one
    const { stem, image_size } = model;
    if (stem !== undefined && !arch.stems.includes(stem)) refuse('stem', arch.stems.join(' or '));
    if (model.weights !== undefined && arch.weights[model.weights] === undefined) {
      refuse('weights', 'none: nobody publishes such weights of this architecture');
    } else if (model.weights !== undefined && stem === 'cifar') {
      refuse('weights', 'none with the stem cifar');
    }
    if (model.weights !== undefined && model.checkpoint !== undefined) {
      refuse('weights', 'none beside a checkpoint');
    }
    const { minimum, multiple_of } = arch.image_size;
    if (image_size !== undefined && (image_size < minimum || image_size % multiple_of !== 0)) {
      refuse('image_size', `a multiple of ${multiple_of}, at least ${minimum}`);
    }
  })
  .meta({ description: 'A network and what it is called.' });

export const Dataset = z
  .strictObject({
    name: Name.meta({ description: 'Labels files and rows.', examples: ['flowers'] }),
    path: z
      .string()
      .min(1)
      .meta({ description: 'Folder with train/<class>/* and test/<class>/*.', examples: ['data/flowers'] }),
  })
  .meta({ description: 'A data set of your own.' });

/** Settings that go well together; a key that is given beside `preset` wins. */
export const PRESETS = {
  fast: {
    epochs: 30,
    batch_size: 512,
    lr: 0.6,
    warmup_epochs: 6,
    augment: 'crop_altflip',
    cutout: 8,
    label_smoothing: 0.1,
    ema_decay: 0.99,
  },
} as const;

export const TrainSettings = z
  .strictObject({
    preset: z
      .enum(Object.keys(PRESETS) as (keyof typeof PRESETS)[])
      .optional()
      .meta({
        description:
          'Settings that go well together, used where a key is not given: `fast` is for ResNets with the stem `cifar`.',
      }),
    epochs: z
      .number()
      .int()
      .min(1)
      .max(10_000)
      .default(25)
      .meta({ description: 'Passes over the training images.' }),
    batch_size: z.number().int().min(1).max(65_536).default(256).meta({ description: 'Images a step.' }),
    lr: z.number().gt(0).max(100).default(0.05).meta({ description: 'Peak learning rate.' }),
    weight_decay: z
      .number()
      .min(0)
      .max(1)
      .default(5e-4)
      .meta({ description: 'Weight decay of conv and linear weights.' }),
    optimizer: z
      .enum(['sgd', 'adamw'])
      .default('sgd')
      .meta({ description: 'What updates the weights; sgd has Nesterov momentum 0.9.' }),
    schedule: z
      .enum(['one_cycle', 'cosine', 'constant'])
      .default('one_cycle')
      .meta({ description: 'How the learning rate moves over the steps (one_cycle: Smith & Topin 2018).' }),
    warmup_epochs: z.number().min(0).max(1000).default(0).meta({
      description: 'Epochs until the rate peaks; 0: no warm-up, and 30 % of the steps for one_cycle.',
    }),
    augment: z.enum(['crop_altflip', 'crop_flip', 'flip', 'none']).default('crop_flip').meta({
      description:
        'How images are varied: random crop from 4 pixels of reflected padding, horizontal flip; altflip: each image in every other epoch.',
    }),
    cutout: z
      .number()
      .int()
      .min(0)
      .max(1024)
      .default(0)
      .meta({
        description: 'Side in pixels of a square set to the mean in each image; 0: none.',
        examples: [8],
      }),
    label_smoothing: z
      .number()
      .min(0)
      .lt(1)
      .default(0)
      .meta({ description: 'Share of the target spread over all classes.' }),
    ema_decay: z
      .number()
      .min(0)
      .lt(1)
      .default(0)
      .meta({
        description:
          'Keep the moving average of the weights, with this decay a step; 0: the weights themselves.',
        examples: [0.99],
      }),
    precision: z
      .enum(['auto', 'fp32', 'bf16'])
      .default('auto')
      .meta({ description: 'Arithmetic of training; auto: what was measured to be faster on such a CPU.' }),
    threads: Threads.optional().meta({
      description: 'Threads of torch; default: the CPUs this process may use.',
      examples: [8],
    }),
    max_train_samples: z
      .number()
      .int()
      .min(1)
      .nullable()
      .default(null)
      .meta({
        description: 'Train on a class-balanced subset of this many images; null: on all.',
        examples: [10_000],
      }),
    eval_every: z
      .number()
      .int()
      .min(1)
      .default(1)
      .meta({ description: 'Evaluate after every so many epochs, and after the last.' }),
  })
  .meta({ description: 'How a network is trained.', 'x-version': 5, 'x-presets': PRESETS });

const unique = <T extends z.ZodType>(items: z.ZodArray<T>) =>
  items.superRefine((values, context) => {
    const seen = new Set<string>();
    values.forEach((value, index) => {
      const text = JSON.stringify(value);
      if (seen.has(text)) {
        context.addIssue({
          code: 'custom',
          path: [index],
          message: 'listed twice',
          params: { expected: 'each value once', found: `${text} again` },
        });
      }
      seen.add(text);
    });
  });

export const BenchmarkSettings = z
  .strictObject({
    max_eval_samples: z
      .number()
      .int()
      .min(1)
      .nullable()
      .default(null)
      .meta({
        description: 'Accuracy on a class-balanced subset of this many test images; null: on all.',
        examples: [500],
      }),
    batch_sizes: unique(z.array(z.number().int().min(1).max(4096)).min(1))
      .default([1, 64])
      .meta({ description: 'Latency is measured at each of these batch sizes.' }),
    runtimes: unique(z.array(Runtime).min(1))
      .default(['torch'])
      .meta({ description: 'What executes the models.', examples: [['torch', 'onnxruntime', 'openvino']] }),
    devices: unique(z.array(z.enum(['cpu'])).min(1))
      .default(['cpu'])
      .meta({ description: 'Where the models run.' }),
    peak_memory: z.boolean().default(false).meta({
      description: 'Measure peak memory too, each in a fresh process: some seconds a row.',
    }),
    threads: Threads.optional().meta({
      description: 'Threads of the runtime; default: the CPUs this process may use.',
      examples: [8],
    }),
  })
  .meta({ description: 'How models are measured.', 'x-version': 4 });

export const Executor = z.strictObject({
  kind: z.literal('local').default('local').meta({ description: 'Processes on this machine.' }),
  concurrency: z
    .number()
    .int()
    .min(1)
    .max(256)
    .default(1)
    .meta({ description: 'Tasks side by side. Latencies are measured one at a time all the same.' }),
});

const envelope = {
  $schema: z.string().optional().meta({ description: 'For editors: ./schema/job.schema.json' }),
  extends: z
    .string()
    .min(1)
    .optional()
    .meta({
      description:
        'Spec file that this one builds on, relative to this file: objects are merged, lists and values replaced.',
      examples: ['base.json'],
    }),
  version: z.literal(FORMAT_VERSION).meta({ description: 'Version of this format.' }),
  name: Name.optional().meta({ description: 'Names the run; default: the kind.', examples: ['first-try'] }),
};
const modelList = unique(z.array(z.union([Name, Model])).min(1));
const asModels = (list: typeof modelList) =>
  list.default(['resnet18']).meta({ description: 'Networks, by name or as objects.', 'x-flag': '--model' });
const models = asModels(modelList);
/** Nothing would be done to a dense network. */
const modelsToCompress = asModels(
  modelList.superRefine((entries, context) => {
    entries.forEach((entry, index) => {
      if (typeof entry === 'string' || entry.baseline !== true) return;
      context.addIssue({
        code: 'custom',
        path: [index, 'baseline'],
        message: 'not compressed',
        params: {
          expected: 'no dense network among those to compress: sweep and benchmark jobs measure it',
          found: 'true',
        },
      });
    });
  }),
);
const datasets = unique(z.array(z.union([Name, Dataset])).min(1))
  .default([BUNDLED_DATASET])
  .meta({ description: 'Data sets, by name or as objects.', 'x-flag': '--dataset' });
const recipes = unique(z.array(z.string().min(1)).min(1))
  .default(['classic'])
  .meta({ description: 'Recipes by name or path.', 'x-flag': '--recipe' });
const seeds = unique(z.array(Seed).min(1))
  .default([0])
  .meta({ description: 'One training for each seed.', 'x-flag': '--seed' });
const levels = (flag: string) =>
  unique(z.array(Level).min(1))
    .default([...LEVELS])
    .meta({ description: 'Compression levels.', 'x-flag': flag });
/** One condition that every row of the job has to meet. */
const Bound = z
  .string()
  .superRefine((text, context) => {
    const parsed = parseExpression(text);
    if (parsed.ok) return;
    const place = `character ${parsed.problem.at + 1}: ${describeProblem(parsed.problem)}`;
    context.addIssue({
      code: 'custom',
      message: 'no condition',
      params: {
        expected: 'a condition on a row, such as "acc_drop<=0.5"',
        found: `${JSON.stringify(text)}, ${place}`,
      },
    });
  })
  .meta({ examples: ['acc_drop<=0.5'], 'x-whole': true });
const bounds = z.array(Bound).default([]).meta({
  description:
    'Bounds that every row of the job has to meet, such as "acc_drop<=0.5"; exit code 4 otherwise.',
});
/** A bound needs rows; where a job measures nothing it would hold for ever and mean nothing. */
const noBounds = z
  .array(Bound)
  .default([])
  .superRefine((values, context) => {
    if (values.length === 0) return;
    context.addIssue({
      code: 'custom',
      message: 'no rows',
      params: { expected: 'no bounds: this kind measures nothing; benchmark and sweep do' },
    });
  })
  .meta({ description: 'Empty: this kind measures nothing.', maxItems: 0, 'x-flag': null });
const tail = {
  data_root: z
    .string()
    .min(1)
    .default('data')
    .meta({ description: 'Folder that holds the data sets.', 'x-value': 'FOLDER' }),
  output: z
    .string()
    .min(1)
    .optional()
    .meta({
      description: 'File to write, where the plan has one task of its kind.',
      examples: ['checkpoints/mine.pth'],
      'x-value': 'FILE',
    }),
  require: noBounds,
  executor: Executor.prefault({}).meta({ description: 'Where tasks run.' }),
};
const device = Device.default('cpu').meta({
  description:
    'Where networks are trained and fine-tuned. Latencies are measured where `benchmark.devices` says.',
});
const train = TrainSettings.prefault({});
const benchmark = BenchmarkSettings.prefault({});

export const TrainJob = z
  .strictObject({ ...envelope, kind: z.literal('train'), models, datasets, seeds, train, device, ...tail })
  .meta({ title: 'train', description: 'Train networks, write checkpoints.' });
export const CompressJob = z
  .strictObject({
    ...envelope,
    kind: z.literal('compress'),
    models: modelsToCompress,
    datasets,
    recipes,
    levels: levels('--compression-level'),
    seeds,
    device,
    ...tail,
  })
  .meta({ title: 'compress', description: 'Compress checkpoints, write artifacts.' });
const { output: _noOutput, ...ofEvery } = tail;
const benchmarkTail = { ...ofEvery, require: bounds };
export const BenchmarkJob = z
  .strictObject({
    ...envelope,
    kind: z.literal('benchmark'),
    models,
    datasets,
    recipes,
    levels: levels('--levels'),
    seeds,
    benchmark,
    ...benchmarkTail,
  })
  .meta({ title: 'benchmark', description: 'Measure artifacts beside their originals, write rows.' });
export const SweepJob = z
  .strictObject({
    ...envelope,
    kind: z.literal('sweep'),
    models,
    datasets,
    recipes,
    levels: levels('--levels'),
    seeds,
    train,
    device,
    benchmark,
    ...benchmarkTail,
  })
  .meta({ title: 'sweep', description: 'Train once, compress at every level, benchmark everything.' });

export const JOB_SCHEMAS = {
  train: TrainJob,
  compress: CompressJob,
  benchmark: BenchmarkJob,
  sweep: SweepJob,
};
export type JobKind = keyof typeof JOB_SCHEMAS;

export const Job = z.discriminatedUnion('kind', [TrainJob, CompressJob, BenchmarkJob, SweepJob]).meta({
  title: 'capstone job',
  description: 'What `capstone run --spec FILE` executes.',
  'x-architectures': ARCHITECTURES,
});
export type Job = z.infer<typeof Job>;
export type TrainSettings = z.infer<typeof TrainSettings>;
export type BenchmarkSettings = z.infer<typeof BenchmarkSettings>;
