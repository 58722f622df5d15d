/**
 * Recipes: a level is data, a list of steps. The rules of which step may follow which (`x-never-after`), the
 * integer raised when a step's results change (`x-version`), what it needs besides the network (`x-needs`) and whether
 * it is quick on one CPU (`x-single-cpu`) are data in the schema too, so that both languages read the same ones.
 */
import { z } from 'zod';
import { TrainSettings } from './job.ts';
import { DENSE, FORMAT_VERSION, Int8Backend, Name } from './names.ts';

/** After these a network holds integers, or weights on a grid that a change would leave. */
const QUANTIZED = ['quantize_dynamic', 'quantize_static', 'pack'];

export const Specialize = z.strictObject({ step: z.literal('specialize') }).meta({
  description:
    'Exact, for the image size of the model: batch norm folded, kernel taps that only meet padding cut away, ' +
    'channels that are constant or not read removed.',
  'x-version': 2,
  'x-single-cpu': true,
  'x-never-after': ['quantize_static', 'pack'],
});

export const PruneMagnitude = z
  .strictObject({
    step: z.literal('prune_magnitude'),
    amount: z
      .number()
      .min(0)
      .lt(1)
      .meta({ description: 'Share of the weights set to zero.', examples: [0.3] }),
    scope: z
      .enum(['global', 'layer'])
      .default('global')
      .meta({ description: 'Rank weights over the whole network, or within each layer.' }),
  })
  .meta({
    description:
      'Unstructured magnitude pruning: the smallest weights become zero, shapes stay (Han et al. 2015). A finetune ' +
      'behind it keeps them zero.',
    'x-version': 2,
    'x-single-cpu': true,
    'x-never-after': QUANTIZED,
  });

const { shape: training } = TrainSettings;

export const PruneStructured = z
  .strictObject({
    step: z.literal('prune_structured'),
    target: z.enum(['macs', 'params', 'latency']).default('macs').meta({
      description:
        'What the ratio is a share of: multiply-accumulates of an image, parameters, or the time of a call.',
    }),
    ratio: z
      .number()
      .gt(0)
      .lt(1)
      .meta({ description: 'Share of the target removed, at least.', examples: [0.5] }),
    importance: z.enum(['taylor', 'l2', 'bn_scale']).default('taylor').meta({
      description:
        'What ranks groups of channels: change of the loss to first order, norm of their weights, scale of batch norms.',
    }),
    scope: z.enum(['global', 'layer']).default('global').meta({
      description:
        'Rank channels over the whole network by importance for their cost, or take the same share of each layer.',
    }),
    round_to: z
      .number()
      .int()
      .min(1)
      .max(64)
      .default(8)
      .meta({ description: 'Channels that remain are a multiple of this, which kernels like.' }),
    // No default: it would become part of the spec, and so of the key, of every task with another target.
    latency_batch_size: z
      .number()
      .int()
      .min(1)
      .max(4096)
      .optional()
      .meta({
        description: 'Images of a call that is timed; default: 1. Only with target latency.',
        examples: [1],
      }),
  })
  .superRefine(({ target, latency_batch_size }, context) => {
    if (target === 'latency' || latency_batch_size === undefined) return;
    context.addIssue({
      code: 'custom',
      path: ['latency_batch_size'],
      message: 'only with target latency',
      params: { expected: `none beside target ${target}`, found: String(latency_batch_size) },
    });
  })
  .meta({
    description:
      'Whole channels removed, with all that depends on them (Fang et al. 2023). With target latency as many as are ' +
      'needed until a call takes less time by the ratio, measured beside the network as it was, in torch eager float32 ' +
      'on the CPU that compresses, with the threads of the task: what is made depends on that machine, and differs a ' +
      'little each time.',
    'x-version': 1,
    'x-single-cpu': false,
    'x-needs': ['dataset'],
    'x-never-after': QUANTIZED,
  });

export const PruneDepth = z
  .strictObject({
    step: z.literal('prune_depth'),
    target: z.enum(['macs', 'params']).default('macs').meta({
      description: 'What the ratio is a share of: multiply-accumulates of an image, or parameters.',
    }),
    ratio: z
      .number()
      .gt(0)
      .lt(1)
      .meta({ description: 'Share of the target removed, at least.', examples: [0.4] }),
  })
  .meta({
    description: 'Whole residual blocks removed, those first that do least damage to the loss.',
    'x-version': 1,
    'x-single-cpu': false,
    'x-needs': ['dataset'],
    'x-never-after': QUANTIZED,
  });

export const Finetune = z
  .strictObject({
    step: z.literal('finetune'),
    epochs: training.epochs.removeDefault().meta({ description: 'Passes over the training images.' }),
    lr: training.lr.removeDefault().default(0.02).meta({ description: 'Peak learning rate.' }),
    batch_size: training.batch_size.removeDefault().default(128).meta({ description: 'Images a step.' }),
    weight_decay: training.weight_decay,
    warmup_epochs: training.warmup_epochs,
    augment: training.augment
      .removeDefault()
      .default('crop_altflip')
      .meta({ description: training.augment.meta()?.description }),
    cutout: training.cutout,
    label_smoothing: training.label_smoothing,
    ema_decay: training.ema_decay,
    precision: training.precision,
    max_train_samples: training.max_train_samples,
    distill: z
      .strictObject({
        temperature: z.number().gt(0).max(100).default(4).meta({ description: 'Softens what both say.' }),
        weight: z
          .number()
          .min(0)
          .max(1)
          .default(0.9)
          .meta({ description: 'Share of the loss that is the original’s word, not the label’s.' }),
      })
      .nullable()
      .default({ temperature: 4, weight: 0.9 })
      .meta({
        description: 'Learn from what the original says (Hinton et al. 2015); null: from labels alone.',
      }),
    weight_bits: z
      .number()
      .int()
      .min(2)
      .max(8)
      .nullable()
      .default(null)
      .meta({
        description:
          'Bits that weights are rounded to while they are trained, per output channel; null: none.',
        examples: [4],
      }),
  })
  .meta({
    description: 'Train on after pruning, on all training images.',
    'x-version': 4,
    'x-single-cpu': false,
    'x-needs': ['dataset', 'partial'],
    'x-never-after': [...QUANTIZED, 'specialize'],
  });

export const QuantizeDynamic = z.strictObject({ step: z.literal('quantize_dynamic') }).meta({
  description: 'Int8 weights of Linear layers, per output channel; activations are quantized as they come.',
  'x-version': 1,
  'x-single-cpu': true,
  'x-never-after': QUANTIZED,
});

const bits = z.number().int();

export const QuantizeStatic = z
  .strictObject({
    step: z.literal('quantize_static'),
    backend: z
      .enum(['auto', ...Int8Backend.options])
      .default('auto')
      .meta({
        description:
          'Whose int8 kernels the file is for; auto: this machine’s. x86 is right on every x86; x86_vnni has one bit more in its activations and needs AVX-512 VNNI.',
      }),
    calibration_samples: z
      .number()
      .int()
      .min(1)
      .max(100_000)
      .default(512)
      .meta({ description: 'Training images, class-balanced, that show the ranges of activations.' }),
    batch_size: z.number().int().min(1).max(65_536).default(64).meta({ description: 'Images at a time.' }),
    weight_bits: bits.min(2).max(8).default(8).meta({
      description: 'Bits of the integers; fewer than 8 are executed as int8 all the same and pack smaller.',
    }),
  })
  .meta({
    description: 'Convolutions and Linear layers compute in int8, with ranges calibrated beforehand.',
    'x-version': 1,
    'x-single-cpu': false,
    'x-needs': ['dataset'],
    'x-never-after': QUANTIZED,
  });

export const Pack = z
  .strictObject({
    step: z.literal('pack'),
    bits: z
      .union([z.literal('auto'), bits.min(4).max(8)])
      .default(8)
      .meta({ description: 'Bits of float weights; auto: of each layer as few as it can do with.' }),
    codec: z
      .enum(['deflate', 'none'])
      .default('deflate')
      .meta({ description: 'How integers are coded in the file; none: packed bit by bit.' }),
    max_divergence: z
      .number()
      .gt(0)
      .max(100)
      .default(0.01)
      .meta({ description: 'For auto: how far the answers may move, in nats of mean KL divergence.' }),
  })
  .meta({
    description: 'Weights as integers of 4 to 8 bits, the file entropy-coded; opened with the same bits.',
    'x-version': 1,
    'x-single-cpu': false,
    'x-needs': ['dataset'],
    'x-never-after': ['pack'],
  });

const STEPS = [
  Specialize,
  PruneMagnitude,
  PruneStructured,
  PruneDepth,
  Finetune,
  QuantizeDynamic,
  QuantizeStatic,
  Pack,
] as const;

export const Step = z.discriminatedUnion('step', [...STEPS]);
export type Step = z.infer<typeof Step>;
export type StepName = Step['step'];

interface StepRules {
  readonly version: number;
  readonly neverAfter: readonly string[];
  /** A second or two on one CPU, and hardly less on more: levels made of such steps run side by side. */
  readonly singleCpu: boolean;
  /** What it uses besides the network: the images of the data set, a folder for the state of a training. */
  readonly needs: readonly ('dataset' | 'partial')[];
}

/** What the schema says about each step, by its name. */
export const STEP_RULES: Readonly<Record<StepName, StepRules>> = Object.fromEntries(
  STEPS.map((schema) => {
    const meta = schema.meta() as {
      'x-version': number;
      'x-never-after': string[];
      'x-single-cpu': boolean;
      'x-needs'?: StepRules['needs'];
    };
    const rules: StepRules = {
      version: meta['x-version'],
      neverAfter: meta['x-never-after'],
      singleCpu: meta['x-single-cpu'],
      needs: meta['x-needs'] ?? [],
    };
    return [schema.shape.step.value, rules];
  }),
) as unknown as Record<StepName, StepRules>;

export const LevelSteps = z
  .array(Step)
  .min(1)
  .superRefine((steps, context) => {
    steps.forEach((step, index) => {
      const before = steps.slice(0, index).map((earlier) => earlier.step);
      const clash = before.find((earlier) => STEP_RULES[step.step].neverAfter.includes(earlier));
      if (clash === undefined) return;
      context.addIssue({
        code: 'custom',
        path: [index, 'step'],
        message: `${step.step} never after ${clash}`,
        params: { expected: `a step that may follow ${clash}`, found: `"${step.step}"` },
      });
    });
  });

const Levels = z.strictObject({
  '1': LevelSteps.meta({ description: 'Steps of the mildest level, in order.' }),
  '2': LevelSteps.meta({ description: 'Steps of level 2.' }),
  '3': LevelSteps.meta({ description: 'Steps of level 3.' }),
  '4': LevelSteps.meta({ description: 'Steps of level 4.' }),
  '5': LevelSteps.meta({ description: 'Steps of the strongest level.' }),
});

export const Recipe = z
  .strictObject({
    $schema: z.string().optional().meta({ description: 'For editors: ./schema/recipe.schema.json' }),
    version: z.literal(FORMAT_VERSION).meta({ description: 'Version of this format.' }),
    name: Name.meta({ description: 'Labels files and rows.' }),
    description: z.string().optional().meta({ description: 'What the recipe is for.' }),
    levels: Levels.optional().meta({
      description: 'Steps of each level, for every family that `families` does not name.',
    }),
    families: z
      .record(Name, z.strictObject({ levels: Levels.meta({ description: 'Steps of each level.' }) }))
      .optional()
      .meta({ description: 'Steps of each level by model family (`resnet`, `vit`).' }),
  })
  .superRefine((recipe, context) => {
    if (recipe.name === DENSE.recipe) {
      context.addIssue({
        code: 'custom',
        path: ['name'],
        message: 'a name that rows give a meaning',
        params: {
          expected: 'another name: rows call a network dense that was never compressed',
          found: `"${recipe.name}"`,
        },
      });
    }
    if (recipe.levels === undefined && recipe.families === undefined) {
      context.addIssue({
        code: 'custom',
        path: [],
        message: 'levels or families',
        params: { expected: '"levels" or "families"', found: 'neither' },
      });
    }
  })
  .meta({ title: 'capstone recipe', description: 'Which steps make each compression level.' });
export type Recipe = z.infer<typeof Recipe>;

/** Whether a step of any of its levels asks for the images of the data set. */
export function needsDataset({ levels, families }: Recipe): boolean {
  const tables = [levels, ...Object.values(families ?? {}).map((family) => family.levels)];
  return tables
    .filter((table) => table !== undefined)
    .flatMap((table) => Object.values(table).flat())
    .some(({ step }) => STEP_RULES[step].needs.includes('dataset'));
}
