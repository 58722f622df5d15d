/** What a task must be told of a network because no file of ours says it: of one that it trains, or of a foreign one. */
import { UserError } from '../errors/errors.ts';
import type { TrainTask } from '../spec/task.ts';
import type { Combination } from './expand.ts';

export interface Told {
  readonly spec: Pick<TrainTask['spec'], 'code' | 'num_classes' | 'normalisation'>;
  readonly paths: Pick<TrainTask['paths'], 'code'>;
}

export const NOTHING: Told = { spec: {}, paths: {} };

/** `codes`: SHA-256 of the files of code, by absolute path. */
export function toldOf(combination: Combination, codes: ReadonlyMap<string, string>): Told {
  const { model, code, numClasses, normalisation } = combination;
  const sha256 = code && codes.get(code.path);
  if (code !== undefined && sha256 === undefined) {
    throw new UserError('code_missing', `model ${model.name}: ${code.path} is not there, or no file`, [
      'Check the path in "code". What was trained from it is compressed and measured without it.',
    ]);
  }
  return {
    spec: {
      ...(code && sha256 ? { code: { function: code.function, sha256 } } : {}),
      ...(numClasses === undefined ? {} : { num_classes: numClasses }),
      ...(normalisation === undefined ? {} : { normalisation }),
    },
    paths: code ? { code: code.path } : {},
  };
}
