/** The recipes that a job names. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../errors/errors.ts';
import { check } from '../spec/check.ts';
import { drawProblems, UPDATE } from '../spec/draw-problem.ts';
import type { Job } from '../spec/job.ts';
import { nearest } from '../spec/nearest.ts';
import { Recipe } from '../spec/recipe.ts';
import { readJsonFile } from './read-json.ts';

/** By what stands in the job: a name among those of the package, or the path of a file. */
export function readRecipes(job: Job, packageRoot: string): Map<string, Recipe> {
  if (job.kind === 'train') return new Map();
  return new Map(job.recipes.map((reference) => [reference, readRecipe(reference, packageRoot)]));
}

function readRecipe(reference: string, packageRoot: string): Recipe {
  const folder = join(packageRoot, 'recipes');
  const named = join(folder, `${reference}.json`);
  const isPath = reference.includes('/') || reference.endsWith('.json');
  if (!isPath && !existsSync(named)) {
    const known = readdirSync(folder)
      .filter((file) => file.endsWith('.json'))
      .map((file) => file.slice(0, -'.json'.length))
      .sort();
    const guess = nearest(reference, known);
    throw new UserError('recipe_unknown', `unknown recipe "${reference}"; known: ${known.join(', ')}`, [
      guess === undefined
        ? 'Name one of them, or give the path of a recipe file.'
        : `Did you mean "${guess}"?`,
    ]);
  }
  const file = isPath ? reference : named;
  const text = readJsonFile(file, 'recipe');
  const checked = check(Recipe, [{ name: file, folder, value: text.value, text }]);
  if (!checked.ok) {
    throw new UserError('recipe_invalid', drawProblems(checked.problems), [
      checked.fromTheFuture ? UPDATE : 'Every key with its meaning: capstone schema recipe',
    ]);
  }
  return checked.value;
}
