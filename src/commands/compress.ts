import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { UserError } from '../errors/errors.ts';
import type { ModelRecord } from '../spec/record.ts';
import { inspectModel } from '../store/model-record.ts';
import { defineCommand, type Flag, type FlagValues } from './definition.ts';
import { EXECUTE_FLAGS, executeJob } from './execute-job.ts';
import { checkFlags } from './job-file.ts';
import { jobFlags, jobFromFlags } from './job-flags.ts';
import { CLASSIC_DATASET } from './train.ts';

const CHECKPOINT_FLAGS: readonly Flag[] = [
  {
    name: '--checkpoint',
    value: 'FILE',
    description: 'Original to compress; default: the name that train gives it.',
  },
  {
    name: '--num-classes',
    value: 'N',
    description: 'Classes of a checkpoint without a record: 10 means cifar10, 100 cifar100.',
  },
];

export default defineCommand({
  summary: 'Compress a checkpoint at the given levels, write artifacts',
  examples: [
    'capstone compress --model resnet18 --checkpoint checkpoints/resnet18_cifar10.pth --num-classes 10 --compression-level 3',
  ],
  flags: [
    ...jobFlags('compress', { '--dataset': `the checkpoint’s, else ${CLASSIC_DATASET}` }),
    ...CHECKPOINT_FLAGS,
    ...EXECUTE_FLAGS,
  ],
  async run(flags, _args, io) {
    const job = jobFromFlags('compress', flags);
    const checkpoint = flags['--checkpoint'];
    const classes = flags['--num-classes'];
    if (typeof classes === 'string' && !/^[1-9]\d*$/.test(classes)) {
      throw new UserError('flag_invalid', `--num-classes: expected a whole number, found ${classes}`, [
        'Say how many classes the checkpoint has, as in --num-classes 10.',
      ]);
    }
    const models = (job['models'] as (string | object)[] | undefined) ?? ['resnet18'];
    const asObject = (model: string | object) => (typeof model === 'string' ? { name: model } : model);
    if (typeof checkpoint === 'string') {
      const file = resolve(io.cwd, checkpoint);
      const [model = '', ...others] = models;
      if (others.length > 0) {
        throw new UserError('flag_invalid', '--checkpoint belongs to one model; --model names several', [
          'Name one model, or leave out --checkpoint.',
        ]);
      }
      if (!existsSync(file)) {
        throw new UserError('checkpoint_missing', `${file} does not exist`, [
          'Check the path of --checkpoint.',
        ]);
      }
      const { record, unusable } = await inspectModel(file);
      if (unusable !== undefined) throw unusable;
      if (record !== undefined) refuseOtherClasses(file, record, flags);
      job['models'] = [{ ...asObject(model), checkpoint: file }];
      job['datasets'] ??= [record?.dataset.name ?? datasetOfClasses(file, flags)];
      job['seeds'] ??= [record?.seed ?? 0];
    } else if (classes !== undefined) {
      job['models'] = models.map((model) => ({ num_classes: Number(classes), ...asObject(model) }));
    }
    return executeJob(checkFlags({ datasets: [CLASSIC_DATASET], ...job }, io.cwd), flags, io);
  },
});

function refuseOtherClasses(file: string, { model }: ModelRecord, flags: FlagValues): void {
  const expected = flags['--num-classes'];
  if (expected === undefined || Number(expected) === model.num_classes) return;
  throw new UserError(
    'model_wrong_classes',
    `${file}: expected ${expected} classes, the file has ${model.num_classes}`,
    [`Use --num-classes ${model.num_classes}, or name another file.`],
  );
}

/** The original tool's checkpoints do not say what they were trained on. */
function datasetOfClasses(file: string, flags: FlagValues): string {
  const known: Record<string, string> = { '10': 'cifar10', '100': 'cifar100' };
  const name = known[String(flags['--num-classes'] ?? '')];
  if (name === undefined) {
    throw new UserError('dataset_unclear', `${file} does not say which data set it was trained on`, [
      'Name it with --dataset, or give --num-classes 10 (cifar10) or 100 (cifar100).',
    ]);
  }
  return name;
}
