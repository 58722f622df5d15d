/** What a task reads: a file that another task of the plan makes, or one that is there and is what the job says. */
import { UserError } from '../errors/errors.ts';
import { architecture } from '../spec/names.ts';
import type { Artifact, Combination } from './expand.ts';
import { type FileFacts, type Known, recipeOf } from './known.ts';
import { CLASSIC_RECIPE } from './names.ts';
import type { PlannedTask } from './planned.ts';
import { type Expected, refuseCompressed, refuseOtherModel, refuseOtherParent } from './refuse-input.ts';
import { NOTHING, type Told, toldOf } from './told.ts';

/** A file another task reads: its key, and the task of this plan that makes it, if one does. */
export interface Input {
  readonly key: string;
  readonly task?: PlannedTask;
}

/** An original, and what a task that reads it must be told of it. */
export interface OriginalInput extends Input {
  readonly told: Told;
}

export function readOriginal(combination: Combination, known: Known): OriginalInput {
  const { checkpoint } = combination;
  const facts = factsOf(checkpoint, known, 'checkpoint_missing', hintForCheckpoint(combination));
  if (facts.record === undefined) return { key: facts.sha256, told: toldOf(combination, known.codes) };
  refuseOtherModel(checkpoint, facts.record, expectedOf(combination));
  if (combination.isBaseline) refuseCompressed(checkpoint, facts.record);
  return { key: facts.record.key, told: NOTHING };
}

export function artifactKey(combination: Combination, artifact: Artifact, known: Known): string {
  const { path, level } = artifact;
  const { record, sha256 } = factsOf(path, known, 'artifact_missing', hintForArtifact(combination, artifact));
  if (record === undefined) return sha256;
  const { arch, made } = expectedOf(combination);
  refuseOtherModel(path, record, { arch, made: { ...made, recipe: recipeOf(artifact, known).name, level } });
  const original = known.files.get(combination.checkpoint);
  if (original !== undefined) refuseOtherParent(path, record, combination.checkpoint, original.sha256);
  return record.key;
}

export function needsOf(input: Input): string[] {
  return input.task === undefined ? [] : [input.task.task.id];
}

function expectedOf({ model, dataset, seed, numClasses, normalisation }: Combination): Expected {
  const { arch, stem, image_size } = model;
  const { mean, std } = normalisation ?? {};
  return { arch, made: { stem, image_size, num_classes: numClasses, mean, std, dataset, seed } };
}

function factsOf(path: string, known: Known, code: string, hint: string): FileFacts {
  const facts = known.files.get(path);
  if (facts === undefined) throw new UserError(code, `${path} does not exist`, [hint]);
  if (facts.unusable !== undefined) throw facts.unusable;
  return facts;
}

function hintForCheckpoint(combination: Combination): string {
  if (combination.given) return 'Check the path of "checkpoint".';
  const flags = flagsOf(combination);
  return flags === undefined
    ? 'Make it first: the same spec with kind "train".'
    : `Make it first: capstone train ${flags}`;
}

function hintForArtifact(combination: Combination, { recipe, level }: Artifact): string {
  const flags = flagsOf(combination);
  const ofRecipe = recipe === CLASSIC_RECIPE ? '' : ` --recipe ${recipe}`;
  return flags === undefined
    ? 'Make it first: the same spec with kind "compress".'
    : `Make it first: capstone compress ${flags}${ofRecipe} --compression-level ${level}`;
}

/** What names an original on the command line; nothing where flags cannot. */
function flagsOf({ model, dataset, seed, given }: Combination): string | undefined {
  const known = architecture(model.name);
  const isDefault =
    known !== undefined &&
    !given &&
    model.arch === model.name &&
    (model.stem ?? known.stems[0]) === known.stems[0] &&
    model.image_size === known.image_size.default;
  if (!isDefault) return undefined;
  return `--model ${model.name} --dataset ${dataset}${seed === 0 ? '' : ` --seed ${seed}`}`;
}
