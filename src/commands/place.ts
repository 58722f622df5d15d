import { resolve } from 'node:path';
import { packageRoot } from '../python/package-root.ts';
import type { Place } from '../run/gather.ts';
import type { Flag, FlagValues, Io } from './definition.ts';

/** Flags of every command that works in a workspace. */
export const PLACE_FLAGS: readonly Flag[] = [
  {
    name: '--workspace',
    value: 'FOLDER',
    description:
      'Folder with checkpoints/, compressed_models/, data/, runs/ and benchmark_levels.csv; default: this one.',
  },
];

export function placeFrom(flags: FlagValues, io: Io): Place {
  const workspace = flags['--workspace'];
  return {
    workspace: resolve(io.cwd, typeof workspace === 'string' ? workspace : '.'),
    packageRoot: packageRoot(),
    env: io.env,
  };
}
