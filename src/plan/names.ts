/** Default file names, ids and labels: they derive from the task alone, whatever else the job holds. */
import type { TaskModel } from '../spec/task.ts';

interface Trained {
  readonly model: string;
  readonly dataset: string;
  readonly seed: number;
}
interface Compressed extends Trained {
  readonly recipe: string;
  readonly level: number;
}

export function checkpointName({ model, dataset, seed }: Trained): string {
  return `${model}_${dataset}${seedPart(seed)}.pth`;
}

/** The recipe where none is named. */
export const CLASSIC_RECIPE = 'classic';

/** cifar10, classic and seed 0 are left out: those are the original tool's file names. */
export function artifactName({ model, dataset, recipe, seed, level }: Compressed): string {
  const dataPart = dataset === 'cifar10' ? '' : `_${dataset}`;
  const recipePart = recipe === CLASSIC_RECIPE ? '' : `_${recipe}`;
  return `compressed_${model}${dataPart}${recipePart}${seedPart(seed)}_l${level}.pt`;
}

/** `recipe` without a level is that of a dense network. */
export function taskId(
  kind: string,
  { model, dataset, seed }: Trained,
  recipe?: string,
  level?: number,
): string {
  const tail = [recipe, level === undefined ? undefined : `l${level}`].filter((part) => part !== undefined);
  return [kind, model, dataset, `s${seed}`, ...tail].join('-');
}

/** What a label says of a network. */
export function describe({
  model,
  dataset,
  seed,
}: {
  model: TaskModel;
  dataset: string;
  seed: number;
}): string {
  return `${model.name} on ${dataset}${seed === 0 ? '' : `, seed ${seed}`}`;
}

function seedPart(seed: number): string {
  return seed === 0 ? '' : `_s${seed}`;
}
