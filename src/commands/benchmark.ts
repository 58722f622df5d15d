import { defineCommand } from './definition.ts';
import { EXECUTE_FLAGS, executeJob } from './execute-job.ts';
import { checkFlags } from './job-file.ts';
import { jobFlags, jobFromFlags } from './job-flags.ts';
import { CLASSIC_DATASET } from './train.ts';

export default defineCommand({
  summary: 'Measure artifacts beside their originals, update benchmark_levels.csv',
  examples: [
    'capstone benchmark --levels 1 --levels 2 --max-eval-samples 500',
    'capstone benchmark --levels 1-5 --batch-sizes 1,16',
  ],
  flags: [...jobFlags('benchmark', { '--dataset': CLASSIC_DATASET }), ...EXECUTE_FLAGS],
  async run(flags, _args, io) {
    const job = { datasets: [CLASSIC_DATASET], ...jobFromFlags('benchmark', flags) };
    return executeJob(checkFlags(job, io.cwd), flags, io);
  },
});
