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
    'First layers of a ResNet: `imagenet` is torchvision’s 7x7 stride 2 with pooling, `cifar` 3x3 stride 1 without (He et al. 2015, section 4.2).',
});

export const Precision = z.enum(['fp32', 'bf16']);
export type Precision = z.infer<typeof Precision>;

export const Threads = z.number().int().min(1).max(1024);

/** Where a data set was found. `folder`: class folders under the data root; `bundled`: in the package. */
export const DataSourceKind = z.enum(['folder', 'bundled']);
export type DataSourceKind = z.infer<typeof DataSourceKind>;

export const ARCHITECTURES = ['resnet18'] as const;
/** Families share their recipes and their rows in the precision table. */
export const FAMILY_OF: Record<(typeof ARCHITECTURES)[number], string> = { resnet18: 'resnet' };

export const BUNDLED_DATASET = 'fashion_mnist_mini';
export const NAMED_DATASETS = [BUNDLED_DATASET, 'cifar10', 'cifar100'] as const;
