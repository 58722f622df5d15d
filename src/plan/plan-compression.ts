/** The task that compresses a network by one level of a recipe. */
import { basename } from 'node:path';
import { UserError } from '../errors/errors.ts';
import type { Device } from '../spec/names.ts';
import { type Recipe, STEP_RULES, type Step } from '../spec/recipe.ts';
import type { CompressTask } from '../spec/task.ts';
import { elsewhere, precisionOf } from './device.ts';
import type { Artifact, Combination } from './expand.ts';
import { needsOf, type OriginalInput } from './input.ts';
import { taskKey } from './key.ts';
import { datasetOf, type Known, recipeOf } from './known.ts';
import { describe, taskId } from './names.ts';
import type { PlannedTask } from './planned.ts';
import { isSameOriginal, reasonForFile } from './reason.ts';

export function planCompression(
  device: Device,
  combination: Combination,
  artifact: Artifact,
  original: OriginalInput,
  known: Known,
): PlannedTask {
  const recipe = recipeOf(artifact, known);
  const { model, dataset, seed } = combination;
  const steps = stepsOf(recipe, combination.family, artifact.level).map((step) => ({
    ...step,
    ...('precision' in step ? { precision: precisionOf(step, combination, device, known) } : {}),
    ...('backend' in step && step.backend === 'auto' ? { backend: known.int8Backend } : {}),
  }));
  const needs = new Set(steps.flatMap(({ step }) => STEP_RULES[step].needs));
  const data = needs.has('dataset') ? datasetOf(combination, known) : undefined;
  const light = steps.every(({ step }) => STEP_RULES[step].singleCpu);
  const keyless: Omit<CompressTask, 'key'> = {
    id: taskId('compress', { model: model.name, dataset, seed }, recipe.name, artifact.level),
    kind: 'compress',
    threads: light ? 1 : known.threads,
    spec: {
      model,
      ...original.told.spec,
      dataset,
      ...(data === undefined ? {} : { source: data.source }),
      seed,
      ...(needs.has('partial') ? elsewhere(device) : {}),
      recipe: {
        name: recipe.name,
        level: artifact.level,
        steps,
      },
    },
    inputs: { checkpoint: original.key, ...(data === undefined ? {} : { dataset: data.digest }) },
    paths: {
      checkpoint: combination.checkpoint,
      ...original.told.paths,
      ...(data === undefined ? {} : { dataset: data.root }),
      output: artifact.path,
    },
  };
  const key = taskKey(keyless, known.software);
  const partial = needs.has('partial') ? { partial: known.partialFolder(key) } : {};
  const task: CompressTask = { ...keyless, key, paths: { ...keyless.paths, ...partial } };
  const reason = reasonForFile(
    task,
    artifact.path,
    [original],
    known,
    (record) =>
      isSameOriginal(record, combination) &&
      record.recipe?.name === recipe.name &&
      record.recipe.level === artifact.level,
  );
  return {
    task,
    label: `compress ${describe(combination)}, ${recipe.name} level ${artifact.level}`,
    needs: needsOf(original),
    exclusive: false,
    light,
    ...(reason.upToDate && isOfAnotherOriginal(artifact.path, combination.checkpoint, known)
      ? { upToDate: false, because: `${basename(combination.checkpoint)} was made anew since, elsewhere` }
      : reason),
  };
}

/** Trained anew by the same task an original may have other bits: on another machine, on a GPU. */
function isOfAnotherOriginal(artifact: string, checkpoint: string, known: Known): boolean {
  const parent = known.files.get(artifact)?.record?.parents['checkpoint'];
  const original = known.files.get(checkpoint);
  return parent !== undefined && original !== undefined && parent.sha256 !== original.sha256;
}

/** A recipe's steps for networks of a family. */
export function stepsOf(recipe: Recipe, family: string, level: Artifact['level']): Step[] {
  const levels = recipe.families?.[family]?.levels ?? recipe.levels;
  if (levels === undefined) {
    throw new UserError(
      'recipe_family_missing',
      `recipe ${recipe.name} says nothing about models of the family ${family}; it knows ${Object.keys(recipe.families ?? {}).join(', ')}`,
      [`Use a recipe with "levels" for every family, such as deploy, or add "${family}" under "families".`],
    );
  }
  return levels[level];
}
