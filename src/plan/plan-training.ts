/** The task that trains a network. */
import type { Job } from '../spec/job.ts';
import type { TrainTask } from '../spec/task.ts';
import { elsewhere, precisionOf } from './device.ts';
import type { Combination } from './expand.ts';
import { taskKey } from './key.ts';
import { datasetOf, type Known } from './known.ts';
import { describe, taskId } from './names.ts';
import type { PlannedTask } from './planned.ts';
import { isSameOriginal, reasonForFile } from './reason.ts';
import { toldOf } from './told.ts';

export function planTraining(
  job: Extract<Job, { kind: 'train' | 'sweep' }>,
  combination: Combination,
  known: Known,
): PlannedTask {
  const data = datasetOf(combination, known);
  const { threads, preset: _resolved, ...settings } = job.train;
  const { model, weights, seed } = combination;
  const told = toldOf(combination, known.codes);
  const keyless: Omit<TrainTask, 'key'> = {
    id: taskId('train', { model: model.name, dataset: combination.dataset, seed }),
    kind: 'train',
    threads: threads ?? known.threads,
    spec: {
      model,
      ...told.spec,
      ...(weights === undefined ? {} : { weights }),
      dataset: { name: combination.dataset, source: data.source },
      seed,
      ...elsewhere(job.device),
      train: { ...settings, precision: precisionOf(settings, combination, job.device, known) },
    },
    inputs: { dataset: data.digest },
    paths: { dataset: data.root, ...told.paths, output: combination.checkpoint, partial: '' },
  };
  const key = taskKey(keyless, known.software);
  const task: TrainTask = { ...keyless, key, paths: { ...keyless.paths, partial: known.partialFolder(key) } };
  const goesOn = known.partials.has(key) ? ', going on from where it was interrupted' : '';
  const reason = reasonForFile(
    task,
    combination.checkpoint,
    [],
    known,
    (record) => isSameOriginal(record, combination) && record.recipe === undefined,
  );
  return {
    task,
    label: `train ${describe(combination)}`,
    needs: [],
    exclusive: false,
    light: false,
    ...reason,
    because: reason.upToDate ? reason.because : `${reason.because}${goesOn}`,
  };
}
