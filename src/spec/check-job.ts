/** A job, checked whole: its schema, and what a schema cannot know. */
import { type Checked, check } from './check.ts';
import { at, type Finding, optional } from './explain.ts';
import { Job, PRESETS } from './job.ts';
import { type Layer, mergeLayers } from './layers.ts';
import { ARCHITECTURES } from './names.ts';
import { nearest } from './nearest.ts';

const KNOWN = Object.keys(ARCHITECTURES);

export function checkJob(layers: readonly Layer[]): Checked<Job> {
  return check(Job, [...presetOf(layers), ...layers], unknownModels);
}

/** The preset that a training names lies below everything that is said. */
function presetOf(layers: readonly Layer[]): Layer[] {
  const preset = at(mergeLayers(layers), ['train', 'preset']);
  if (typeof preset !== 'string' || !Object.hasOwn(PRESETS, preset)) return [];
  const train = PRESETS[preset as keyof typeof PRESETS];
  return [{ name: `preset ${preset}`, folder: '', value: { train } }];
}

/** Code makes the network, or a checkpoint may say which it holds; the planner, who sees the file, knows better. */
function saysItself(model: unknown): boolean {
  if (at(model, ['code']) !== undefined) return true;
  return at(model, ['arch']) === undefined && at(model, ['checkpoint']) !== undefined;
}

/** Names of networks are labels to the schema: an object may call its own what it likes and name the `arch`. */
function unknownModels(job: unknown): Finding[] {
  const models = at(job, ['models']);
  return (Array.isArray(models) ? models : []).flatMap((entry: unknown, index) => {
    const key = typeof entry === 'string' ? [] : [at(entry, ['arch']) === undefined ? 'name' : 'arch'];
    const name = at(entry, key);
    if (typeof name !== 'string' || KNOWN.includes(name) || saysItself(entry)) return [];
    const known = KNOWN.join(', ');
    return [
      {
        path: ['models', index, ...key],
        expected: key[0] === 'name' ? `"arch" or "code" beside it, or one of ${known}` : `one of ${known}`,
        found: JSON.stringify(name),
        ...optional('nearest', nearest(name, KNOWN)),
      },
    ];
  });
}
