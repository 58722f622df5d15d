/** Files that a task of the plan would read: refused here, before anything starts, in the words of the workers. */
import { MachineError, UserError } from '../errors/errors.ts';
import type { ModelRecord } from '../spec/record.ts';
import type { Software } from './key.ts';

type Setting = string | number | readonly number[] | undefined;

/** What a file must have been made with. */
export interface Expected {
  readonly arch: string;
  /** What is undefined may be anything. */
  readonly made: Readonly<Record<string, Setting>>;
}

export function refuseOtherModel(path: string, record: ModelRecord, { arch, made }: Expected): void {
  const { model, dataset, normalisation, seed, recipe } = record;
  if (model.arch !== arch) {
    throw new UserError('model_wrong_arch', `${path}: expected ${arch}, the file holds ${model.arch}`, [
      `Name the model ${model.arch}, or another file.`,
    ]);
  }
  const said: Readonly<Record<string, Setting>> = {
    stem: model.stem,
    image_size: model.image_size,
    num_classes: model.num_classes,
    mean: normalisation?.mean,
    std: normalisation?.std,
    dataset: dataset.name,
    seed,
    recipe: recipe?.name,
    level: recipe?.level,
  };
  for (const [name, expected] of Object.entries(made)) {
    const found = said[name];
    if (found === undefined || expected === undefined || String(found) === String(expected)) continue;
    throw new UserError(
      'model_made_otherwise',
      `${path}: expected ${name} ${expected}, the file was made with ${name} ${found}`,
      ['Name the file that belongs to these settings, or the settings that belong to this file.'],
    );
  }
}

/** What was compressed is no dense network, whatever stands in its rows. */
export function refuseCompressed(path: string, { recipe }: ModelRecord): void {
  if (recipe === undefined) return;
  throw new UserError(
    'not_dense',
    `${path}: expected a network that was never compressed, the file was made with ${recipe.name} level ${recipe.level}`,
    ['Leave out "baseline", or name the checkpoint that it was made from.'],
  );
}

/** An artifact is compared with the very file it was made from, or the comparison means nothing. */
export function refuseOtherParent(
  artifact: string,
  record: ModelRecord,
  original: string,
  sha256: string,
): void {
  const parent = record.parents['checkpoint'];
  if (parent === undefined || parent.sha256 === sha256) return;
  throw new UserError('not_the_parent', `${artifact} was not made from ${original}`, [
    'Compress this original again, or put the original back that the artifact was made from.',
  ]);
}

/** What a job wants measured in an engine that the interpreter does not have. */
export function refuseMissingRuntimes(runtimes: readonly string[], software: Software): void {
  const missing = (['onnxruntime', 'openvino'] as const).filter(
    (name) => runtimes.includes(name) && software[name] === null,
  );
  if (missing.length === 0) return;
  throw new MachineError(
    'runtime_missing',
    `the Python environment has no ${missing.join(' and no ')}, which the job asks for`,
    [
      `Install it there (pip install onnx ${missing.join(' ')}), or leave it out of benchmark.runtimes`,
      'capstone setup makes an environment that has all runtimes.',
    ],
  );
}
