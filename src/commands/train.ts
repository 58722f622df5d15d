import { defineCommand } from './definition.ts';
import { EXECUTE_FLAGS, executeJob } from './execute-job.ts';
import { checkFlags } from './job-file.ts';
import { jobFlags, jobFromFlags } from './job-flags.ts';

/** The data set of the classic commands where none is named. */
export const CLASSIC_DATASET = 'cifar10';

export default defineCommand({
  summary: 'Train a network, write its checkpoint',
  examples: [
    'capstone train --model resnet18 --dataset cifar10 --data-root data --epochs 25 --batch-size 256',
  ],
  flags: [...jobFlags('train', { '--dataset': CLASSIC_DATASET }), ...EXECUTE_FLAGS],
  async run(flags, _args, io) {
    const job = { datasets: [CLASSIC_DATASET], ...jobFromFlags('train', flags) };
    return executeJob(checkFlags(job, io.cwd), flags, io);
  },
});
