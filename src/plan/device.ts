/** What follows from the device that a task trains on. */
import type { Device, Precision } from '../spec/names.ts';
import type { Combination } from './expand.ts';
import type { Known } from './known.ts';
import { resolvePrecision } from './precision.ts';

export function elsewhere(device: Device): { device?: 'cuda' } {
  return device === 'cpu' ? {} : { device };
}

export function precisionOf(
  settings: { precision: Precision | 'auto'; batch_size: number },
  { family, model }: Combination,
  device: Device,
  known: Known,
): Precision {
  const isa = device === 'cpu' ? known.isa : device;
  const question = { isa, family, stem: model.stem, batch_size: settings.batch_size };
  return resolvePrecision(settings.precision, question, known.precisions);
}
