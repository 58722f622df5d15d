/** The task that measures a network. */
import type { Job } from '../spec/job.ts';
import type { BenchmarkTask } from '../spec/task.ts';
import type { Artifact, Combination } from './expand.ts';
import { type Input, needsOf, type OriginalInput } from './input.ts';
import { taskKey } from './key.ts';
import { datasetOf, type Known, recipeOf } from './known.ts';
import { describe, taskId } from './names.ts';
import type { PlannedTask } from './planned.ts';
import { reasonForRows } from './reason.ts';

export function planBenchmark(
  job: Extract<Job, { kind: 'benchmark' | 'sweep' }>,
  combination: Combination,
  artifact: Artifact,
  original: OriginalInput,
  compressed: Input,
  known: Known,
): PlannedTask {
  const data = datasetOf(combination, known);
  const recipe = recipeOf(artifact, known);
  const { model, dataset, seed } = combination;
  const { threads, ...settings } = job.benchmark;
  const keyless: Omit<BenchmarkTask, 'key'> = {
    id: taskId('benchmark', { model: model.name, dataset, seed }, recipe.name, artifact.level),
    kind: 'benchmark',
    threads: threads ?? known.threads,
    spec: {
      model,
      ...original.told.spec,
      dataset: { name: dataset, source: data.source },
      seed,
      recipe: { name: recipe.name, level: artifact.level },
      benchmark: settings,
    },
    inputs: { original: original.key, artifact: compressed.key, dataset: data.digest },
    cpu: known.cpu,
    paths: {
      original: combination.checkpoint,
      ...original.told.paths,
      artifact: artifact.path,
      dataset: data.root,
    },
  };
  const task: BenchmarkTask = { ...keyless, key: taskKey(keyless, known.software) };
  return {
    task,
    label: `benchmark ${describe(combination)}, ${recipe.name} level ${artifact.level}`,
    needs: [...needsOf(original), ...needsOf(compressed)],
    exclusive: true,
    light: false,
    ...reasonForRows(task, [original, compressed], known),
  };
}
