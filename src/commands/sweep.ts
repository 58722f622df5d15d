import { defineCommand } from './definition.ts';
import { EXECUTE_FLAGS, executeJob } from './execute-job.ts';
import { checkFlags } from './job-file.ts';
import { jobFlags, jobFromFlags } from './job-flags.ts';

export default defineCommand({
  summary: 'Train once, compress at every level, benchmark everything',
  examples: [
    'capstone sweep --model resnet18 --dataset cifar10 --epochs 25',
    'capstone sweep --levels 1,3 --dry-run',
  ],
  flags: [...jobFlags('sweep'), ...EXECUTE_FLAGS],
  async run(flags, _args, io) {
    return executeJob(checkFlags(jobFromFlags('sweep', flags), io.cwd), flags, io);
  },
});
