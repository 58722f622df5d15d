/**
 * The small vocabulary every schema shares: what may stand as a name, a level, a digest.
 */
import { z } from 'zod';

/** Of jobs and recipes: raised when an older program could not know what a file means. */
export const FORMAT_VERSION = 1;

export const LEVELS = [1, 2, 3, 4, 5] as const;

/** A label that becomes part of a file name: no separators, no spaces, no control characters. */
export const Name = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    'letters, digits, ".", "_" and "-", 64 at most, a letter or digit first',
  )
  .meta({ id: 'Name', description: 'A label that may stand in a file name.', examples: ['resnet18'] });

const A_LEVEL = 'a level from 1 to 5';
export const Level = z
  .number()
  .int()
  .min(1, A_LEVEL)
  .max(5, A_LEVEL)
  .meta({
    description: 'Compression level: 1 is the mildest, 5 the strongest.',
    examples: [1],
    'x-expected': A_LEVEL,
  });

/** What stands where a recipe and its level do, of a network that nothing was done to. */
export const DENSE = { recipe: 'dense', level: 0 } as const;

/** A level of what was measured. Not empty where there is none: rows are told apart and sorted by it. */
export const MeasuredLevel = z.number().int().min(DENSE.level).max(5).meta({
  description: 'Compression level: 1 is the mildest, 5 the strongest; 0: not compressed.',
  'x-expected': 'a level from 0 to 5',
});

export const Seed = z
  .number()
  .int()
  .min(0)
  .max(2 ** 31 - 1)
  .meta({ description: 'Seed of initialisation, data order and augmentation.' });

/** SHA-256 in lower-case hex. */
export const Digest = z.string().regex(/^[0-9a-f]{64}$/, 'a SHA-256 in lower-case hex');

export const Stem = z.enum(['imagenet', 'cifar']).meta({
  description:
    'First layers: `imagenet` is torchvision’s, of a ResNet 7x7 stride 2 with pooling; `cifar`, for ResNets, 3x3 stride 1 without (He et al. 2015, section 4.2).',
});

/** Mean of each channel, of images from 0 to 1. */
export const Mean = z.array(z.number().min(0).max(1)).length(3);
/** Standard deviation of each channel, of images from 0 to 1. */
export const Std = z.array(z.number().gt(0).max(1)).length(3);

/** Where networks are trained: the CPU, or the first GPU that torch sees. */
export const Device = z.enum(['cpu', 'cuda']);
export type Device = z.infer<typeof Device>;

export const Precision = z.enum(['fp32', 'bf16']);
export type Precision = z.infer<typeof Precision>;

/** Kernels that static int8 is made for. */
export const Int8Backend = z.enum(['x86_vnni', 'x86', 'qnnpack']);
export type Int8Backend = z.infer<typeof Int8Backend>;

export const Threads = z.number().int().min(1).max(1024);

/**
 * Where a data set was found. `folder`: class folders under the data root; `bundled`: in the package;
 * `torchvision`: the files that torchvision downloads, which may not be there yet.
 */
export const DataSourceKind = z.enum(['folder', 'bundled', 'torchvision']);
export type DataSourceKind = z.infer<typeof DataSourceKind>;

/** Weights a training can start from. */
export const PublishedWeights = z.enum(['imagenet']);
export type PublishedWeights = z.infer<typeof PublishedWeights>;

/** What a job must know of an architecture before anything starts; Python reads it as `x-architectures`. */
export interface Architecture {
  /** Families share their recipes and their rows in the precision table. */
  readonly family: string;
  /** The first is the default. */
  readonly stems: readonly [z.infer<typeof Stem>, ...z.infer<typeof Stem>[]];
  /** Side of the square input in pixels. */
  readonly image_size: { readonly default: number; readonly minimum: number; readonly multiple_of: number };
  /** Files of published weights, as torchvision names them: each ends in the first digits of its SHA-256. */
  readonly weights: Readonly<Partial<Record<PublishedWeights, string>>>;
}

type Weights = Architecture['weights'];

/** torchvision’s ResNets, whose first layers can be those for small images. */
const resnet = (weights: Weights): Architecture => ({
  family: 'resnet',
  stems: ['imagenet', 'cifar'],
  image_size: { default: 32, minimum: 8, multiple_of: 1 },
  weights,
});

/** Those of He et al. 2015, section 4.2. */
const CIFAR_RESNET: Architecture = { ...resnet({}), stems: ['cifar'] };

/** Any other convolutional network; one that halves its map too often for small images says from where it works. */
const convolutional = (family: string, weights: Weights, minimum = 8): Architecture => ({
  family,
  stems: ['imagenet'],
  image_size: { default: 32, minimum, multiple_of: 1 },
  weights,
});

export const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  resnet18: resnet({ imagenet: 'resnet18-f37072fd.pth' }),
  vit_b_16: {
    family: 'vit',
    stems: ['imagenet'],
    // Cut into patches of 16; one patch alone leaves attention nothing to relate.
    image_size: { default: 224, minimum: 32, multiple_of: 16 },
    weights: { imagenet: 'vit_b_16-c867db91.pth' },
  },
  resnet20: CIFAR_RESNET,
  resnet32: CIFAR_RESNET,
  resnet44: CIFAR_RESNET,
  resnet56: CIFAR_RESNET,
  resnet34: resnet({ imagenet: 'resnet34-b627a593.pth' }),
  resnet50: resnet({ imagenet: 'resnet50-0676ba61.pth' }),
  vgg11_bn: convolutional('vgg', { imagenet: 'vgg11_bn-6002323d.pth' }, 32),
  vgg16_bn: convolutional('vgg', { imagenet: 'vgg16_bn-6c64b313.pth' }, 32),
  mobilenet_v2: convolutional('mobilenet', { imagenet: 'mobilenet_v2-b0353104.pth' }),
  mobilenet_v3_small: convolutional('mobilenet', { imagenet: 'mobilenet_v3_small-047dcff4.pth' }),
  mobilenet_v3_large: convolutional('mobilenet', { imagenet: 'mobilenet_v3_large-8738ca79.pth' }),
  efficientnet_b0: convolutional('efficientnet', { imagenet: 'efficientnet_b0_rwightman-7f5810bc.pth' }),
  densenet121: convolutional('densenet', { imagenet: 'densenet121-a639ec97.pth' }, 29),
  regnet_y_400mf: convolutional('regnet', { imagenet: 'regnet_y_400mf-c65dace8.pth' }),
  shufflenet_v2_x1_0: convolutional('shufflenet', { imagenet: 'shufflenetv2_x1-5666bf0f80.pth' }),
  convnext_tiny: convolutional('convnext', { imagenet: 'convnext_tiny-983f1562.pth' }, 32),
  squeezenet1_1: convolutional('squeezenet', { imagenet: 'squeezenet1_1-b8a52dc0.pth' }, 17),
};

/** Architecture and family of every network that is none of these. */
export const CUSTOM = 'custom';

/** Undefined for a name that is none, `constructor` among them. */
export function architecture(name: string): Architecture | undefined {
  return Object.hasOwn(ARCHITECTURES, name) ? ARCHITECTURES[name] : undefined;
}

export const BUNDLED_DATASET = 'fashion_mnist_mini';
export const NAMED_DATASETS = [BUNDLED_DATASET, 'cifar10', 'cifar100'] as const;

/** What executes a model; the dtype it executes in stands in the row. */
export const Runtime = z.enum(['torch', 'torch_frozen', 'onnxruntime', 'openvino']);
