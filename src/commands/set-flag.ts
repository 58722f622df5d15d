/** `--set key=value`: one value of a spec, changed for this time. */
import { UserError } from '../errors/errors.ts';
import type { Layer } from '../spec/layers.ts';
import type { Flag, FlagValues } from './definition.ts';

export const SET_FLAG: Flag = {
  name: '--set',
  value: 'KEY=VALUE',
  repeats: true,
  description: 'Change a value of the spec, such as train.epochs=3; the value is JSON, or else text.',
};

/** Each as a layer above the file; relative paths in it start at `folder`. */
export function setLayers(flags: FlagValues, folder: string): Layer[] {
  const given = flags['--set'];
  return (Array.isArray(given) ? (given as readonly string[]) : []).map((text) => setLayer(text, folder));
}

function setLayer(text: string, folder: string): Layer {
  const equals = text.indexOf('=');
  const key = text.slice(0, Math.max(0, equals));
  const path = key.split('.');
  if (path.includes('')) {
    throw new UserError('set_invalid', `--set: expected KEY=VALUE, found ${JSON.stringify(text)}`, [
      'Try: --set train.epochs=3',
    ]);
  }
  if (path[0] === 'extends') {
    throw new UserError('set_invalid', '--set extends: expected a key of the job, found "extends"', [
      'Write it into the spec file.',
    ]);
  }
  const value = path.reduceRight<unknown>(
    (inner, part) => Object.fromEntries([[part, inner]]),
    jsonOrText(text.slice(equals + 1)),
  );
  return { name: `--set ${key}`, folder, value, sets: path };
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
