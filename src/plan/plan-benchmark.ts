/** The task that measures a network: an artifact beside its original, or a dense one alone. */
import type { BenchmarkSettings } from '../spec/job.ts';
import { DENSE } from '../spec/names.ts';
import type { BenchmarkTask } from '../spec/task.ts';
import type { Artifact, Combination } from './expand.ts';
import { type Input, needsOf, type OriginalInput } from './input.ts';
import { taskKey } from './key.ts';
import { datasetOf, type Known, recipeOf } from './known.ts';
import { describe, taskId } from './names.ts';
import type { PlannedTask } from './planned.ts';
import { reasonForRows } from './reason.ts';

export function planBenchmark(
  settings: BenchmarkSettings,
  combination: Combination,
  artifact: Artifact,
  original: OriginalInput,
  compressed: Input,
  known: Known,
): PlannedTask {
  const recipe = recipeOf(artifact, known).name;
  const { level, path } = artifact;
  return planMeasurement(settings, combination, original, known, {
    recipe: { name: recipe, level },
    id: [recipe, level],
    said: `${recipe} level ${level}`,
    artifact: { input: compressed, path },
  });
}

/** No artifact: what is measured is the original itself. */
export function planDenseBenchmark(
  settings: BenchmarkSettings,
  combination: Combination,
  original: OriginalInput,
  known: Known,
): PlannedTask {
  return planMeasurement(settings, combination, original, known, {
    recipe: { name: DENSE.recipe, level: DENSE.level },
    id: [DENSE.recipe],
    said: DENSE.recipe,
  });
}

/** What is measured. */
interface Measured {
  readonly recipe: BenchmarkTask['spec']['recipe'];
  readonly id: readonly [recipe: string, level?: number];
  readonly said: string;
  readonly artifact?: { readonly input: Input; readonly path: string };
}

function planMeasurement(
  { threads, ...settings }: BenchmarkSettings,
  combination: Combination,
  original: OriginalInput,
  known: Known,
  { recipe, id, said, artifact }: Measured,
): PlannedTask {
  const data = datasetOf(combination, known);
  const { model, dataset, seed } = combination;
  const names = { model: model.name, dataset, seed };
  const keyless: Omit<BenchmarkTask, 'key'> = {
    id: taskId('benchmark', names, ...id),
    kind: 'benchmark',
    threads: threads ?? known.threads,
    spec: {
      model,
      ...original.told.spec,
      dataset: { name: dataset, source: data.source },
      seed,
      recipe,
      benchmark: settings,
    },
    inputs: {
      original: original.key,
      ...(artifact === undefined ? {} : { artifact: artifact.input.key }),
      dataset: data.digest,
    },
    cpu: known.cpu,
    paths: {
      original: combination.checkpoint,
      ...original.told.paths,
      ...(artifact === undefined ? {} : { artifact: artifact.path }),
      dataset: data.root,
    },
  };
  const task: BenchmarkTask = { ...keyless, key: taskKey(keyless, known.software) };
  const read = artifact === undefined ? [original] : [original, artifact.input];
  return {
    task,
    label: `benchmark ${describe(combination)}, ${said}`,
    needs: read.flatMap(needsOf),
    exclusive: true,
    // One original, one recipe: their models take turns in one rotation.
    ...(artifact === undefined ? {} : { together: taskId('benchmark', names, recipe.name) }),
    light: false,
    ...reasonForRows(task, read, known),
  };
}
