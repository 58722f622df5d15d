/** What the planner must know of the world: `gather` looks, the planner sees no disk. */
import type { UserError } from '../errors/errors.ts';
import type { DataSourceKind, Int8Backend } from '../spec/names.ts';
import type { Recipe } from '../spec/recipe.ts';
import type { ModelRecord } from '../spec/record.ts';
import type { Row } from '../spec/row.ts';
import type { BenchmarkTask } from '../spec/task.ts';
import type { Artifact, Combination } from './expand.ts';
import type { Software } from './key.ts';
import type { PrecisionRow } from './precision.ts';

/** What is known of a file: its digest, and its record where it is a file of ours. */
export interface FileFacts {
  readonly sha256: string;
  readonly record?: ModelRecord;
  /** Why no task could read it. */
  readonly unusable?: UserError;
}

export interface Known {
  readonly workspace: string;
  readonly software: Software;
  readonly cpu: BenchmarkTask['cpu'];
  /** Class of the instruction set, as in the precision table. */
  readonly isa: string;
  /** What `backend: auto` of static quantization means here. */
  readonly int8Backend: Int8Backend;
  /** CPUs this process may use. */
  readonly threads: number;
  readonly precisions: readonly PrecisionRow[];
  /** By the name or path that stands in the job. */
  readonly recipes: ReadonlyMap<string, Recipe>;
  /** By name. */
  readonly datasets: ReadonlyMap<
    string,
    { readonly source: DataSourceKind; readonly root: string; readonly digest: string }
  >;
  /** By absolute path; a file that is not there has no entry. */
  readonly files: ReadonlyMap<string, FileFacts>;
  /** SHA-256 of files of code by absolute path; one that is not there has no entry. */
  readonly codes: ReadonlyMap<string, string>;
  readonly rows: readonly Row[];
  /** Keys of trainings that were interrupted and can go on. */
  readonly partials: ReadonlySet<string>;
  /** Folder of the training states that can go on, by key. */
  readonly partialFolder: (key: string) => string;
  /** Files in the way may be replaced, whatever they are. */
  readonly force: boolean;
}

export function recipeOf(artifact: Artifact, known: Known): Recipe {
  const recipe = known.recipes.get(artifact.recipe);
  if (recipe === undefined) throw new Error(`recipe ${artifact.recipe} was not gathered`);
  return recipe;
}

export function datasetOf(combination: Combination, known: Known) {
  const data = known.datasets.get(combination.dataset);
  if (data === undefined) throw new Error(`data set ${combination.dataset} was not gathered`);
  return data;
}
