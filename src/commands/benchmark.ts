import { existsSync } from 'node:fs';
import { plannable } from '../plan/plan.ts';
import type { Place } from '../run/gather.ts';
import { readRecipes } from '../run/read-recipe.ts';
import type { Job } from '../spec/job.ts';
import { defineCommand } from './definition.ts';
import { EXECUTE_FLAGS, executeJob } from './execute-job.ts';
import { checkFlags } from './job-file.ts';
import { jobFlags, jobFromFlags } from './job-flags.ts';
import { placeFrom } from './place.ts';
import { CLASSIC_DATASET } from './train.ts';

/** Those of the original tool. */
const CLASSIC_MODELS = ['resnet18', 'vit_b_16'];

export default defineCommand({
  summary: 'Measure artifacts beside their originals, update benchmark_levels.csv',
  examples: [
    'capstone benchmark --levels 1 --levels 2 --max-eval-samples 500',
    'capstone benchmark --levels 1-5 --batch-sizes 1,16',
  ],
  flags: [
    ...jobFlags('benchmark', {
      '--model': `${CLASSIC_MODELS.join(', ')}: each that has all files`,
      '--dataset': CLASSIC_DATASET,
    }),
    ...EXECUTE_FLAGS,
  ],
  async run(flags, _args, io) {
    const given = { datasets: [CLASSIC_DATASET], ...jobFromFlags('benchmark', flags) };
    const job = checkFlags(given, io.cwd);
    const models = 'models' in given ? job.models : completeModels(job, placeFrom(flags, io));
    return executeJob({ ...job, models }, flags, io);
  },
});

/** The classic networks whose originals and artifacts are all there; where there are none, what is missing is said. */
function completeModels(job: Job, { workspace, packageRoot }: Place): string[] {
  const recipes = readRecipes(job, packageRoot);
  const isComplete = (model: string) =>
    plannable({ ...job, models: [model] }, workspace, recipes).every(({ checkpoint, artifacts }) =>
      [checkpoint, ...artifacts.map(({ path }) => path)].every((path) => existsSync(path)),
    );
  const found = CLASSIC_MODELS.filter(isComplete);
  return found.length === 0 ? CLASSIC_MODELS.slice(0, 1) : found;
}
