/** From what a user gave (a file, flags) to a checked job whose paths are absolute. */
import { dirname, resolve } from 'node:path';
import { UserError } from '../errors/errors.ts';
import { readJsonFile } from '../run/read-json.ts';
import { check, drawProblem } from '../spec/explain.ts';
import { Job } from '../spec/job.ts';

export function readJobFile(file: string): Job {
  return checkJob(readJsonFile(file, 'spec'), file, dirname(resolve(file)));
}

/** `source` names the origin in messages; relative paths start at `folder`. */
export function checkJob(raw: unknown, source: string, folder: string): Job {
  const checked = check(Job, raw, source);
  if (!checked.ok) {
    throw new UserError('spec_invalid', checked.problems.map(drawProblem).join('\n       '), [
      'Every key with its meaning: capstone schema job',
    ]);
  }
  return withAbsolutePaths(checked.value, raw as Record<string, unknown>, folder);
}

/** A default is no path the user wrote: `data` stays relative to the workspace unless it was given. */
function withAbsolutePaths(job: Job, raw: Record<string, unknown>, folder: string): Job {
  const absolute = (path: string) => resolve(folder, path);
  return {
    ...job,
    models: job.models.map((model) =>
      typeof model === 'string' || model.checkpoint === undefined
        ? model
        : { ...model, checkpoint: absolute(model.checkpoint) },
    ),
    datasets: job.datasets.map((data) =>
      typeof data === 'string' ? data : { ...data, path: absolute(data.path) },
    ),
    data_root: raw['data_root'] === undefined ? job.data_root : absolute(job.data_root),
    ...('recipes' in job
      ? { recipes: job.recipes.map((recipe) => (isPath(recipe) ? absolute(recipe) : recipe)) }
      : {}),
    ...('output' in job && job.output !== undefined ? { output: absolute(job.output) } : {}),
  };
}

function isPath(recipe: string): boolean {
  return recipe.includes('/') || recipe.endsWith('.json');
}
