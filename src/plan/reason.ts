/** Why a task runs, or need not. As in make: what it makes is there, made by this very task from these very inputs. */
import { basename } from 'node:path';
import { UserError } from '../errors/errors.ts';
import type { ModelRecord } from '../spec/record.ts';
import type { BenchmarkTask, Task } from '../spec/task.ts';
import type { Combination } from './expand.ts';
import type { Input } from './input.ts';
import type { Known } from './known.ts';

export interface Reason {
  readonly upToDate: boolean;
  readonly because: string;
}

/** As in make: a file is up to date when it carries this key and nothing it was made from is made anew. */
export function reasonForFile(
  task: Task,
  output: string,
  inputs: readonly Input[],
  known: Known,
  isReplaceable: (record: ModelRecord) => boolean,
): Reason {
  const name = basename(output);
  const facts = known.files.get(output);
  if (facts === undefined) return { upToDate: false, because: `${name} is not there yet` };
  if (facts.unusable?.code === 'model_not_a_file') {
    throw new UserError('output_not_a_file', `${output} is no file, and ${task.id} would write one there`, [
      'Move it away, or choose another "output".',
    ]);
  }
  if (!known.force && (facts.record === undefined || !isReplaceable(facts.record))) {
    throw new UserError('output_in_the_way', `${output} exists and is not what ${task.id} would replace`, [
      'Move it away, choose another "output", or allow it to be replaced with --force.',
    ]);
  }
  const anew = inputs.find((input) => input.task?.upToDate === false);
  if (anew?.task !== undefined) return { upToDate: false, because: `${anew.task.task.id} runs before it` };
  return facts.record?.key === task.key
    ? { upToDate: true, because: `${name} is there, made with these settings and inputs` }
    : { upToDate: false, because: `${name} was made with other settings, inputs or software` };
}

export function reasonForRows(task: BenchmarkTask, inputs: readonly Input[], known: Known): Reason {
  const anew = inputs.find((input) => input.task?.upToDate === false);
  if (anew?.task !== undefined) return { upToDate: false, because: `${anew.task.task.id} runs before it` };
  const { devices, runtimes, batch_sizes } = task.spec.benchmark;
  const wanted = devices.length * runtimes.length * batch_sizes.length;
  const rows = known.rows.filter((row) => row.task_key === task.key);
  if (rows.length < wanted)
    return { upToDate: false, because: 'not measured yet with these settings on this machine' };
  const { original, artifact } = task.paths;
  const digestOf = (path: string) => known.files.get(path)?.sha256;
  const digests = [digestOf(original), artifact === undefined ? null : digestOf(artifact)];
  return rows.every((row) => row.original_sha256 === digests[0] && row.artifact_sha256 === digests[1])
    ? { upToDate: true, because: `its ${wanted} rows are there` }
    : { upToDate: false, because: 'the model files changed since they were measured' };
}

export function isSameOriginal(record: ModelRecord, { model, dataset, seed }: Combination): boolean {
  return record.model.name === model.name && record.dataset.name === dataset && record.seed === seed;
}
