import { realpathSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { CapstoneError, UserError } from '../errors/errors.ts';
import { drawProblems } from '../spec/draw-problem.ts';
import type { Layer } from '../spec/layers.ts';
import { readJsonFile } from './read-json.ts';

/** More than this is a mistake that is not quite a circle. */
const MAX_FILES = 10;

/**
 * A spec file and what it extends, the lowest first; `extends` itself is taken out.
 * `shown` is the path as the user wrote it; those of the others are written the same way.
 */
export function readLayers(file: string, shown = file): Layer[] {
  return follow(resolve(file), shown, []);
}

interface Visited {
  readonly real: string;
  readonly shown: string;
}

function follow(path: string, shown: string, above: readonly Visited[]): Layer[] {
  const text = readJsonFile(path, 'spec', shown);
  const chain = [...above, { real: realpathSync(path), shown }];
  const { value } = text;
  const layer: Layer = { name: shown, folder: dirname(path), value, text };
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, 'extends')) return [layer];

  const { extends: base, ...rest } = value as { readonly extends: unknown };
  const refuse = (code: string, expected: string, found: string, next: string) => {
    const place = text.placeOf(['extends']);
    const problem = { source: shown, path: 'extends', expected, found, ...(place && { place }) };
    return new UserError(code, drawProblems([problem]), [next]);
  };
  if (typeof base !== 'string' || base === '') {
    throw refuse(
      'spec_invalid',
      'the path of a spec file',
      JSON.stringify(base),
      'One file can be extended, which may extend another.',
    );
  }
  const target = resolve(dirname(path), base);
  const targetShown = isAbsolute(base) ? base : join(dirname(shown), base);
  const drawn = [...chain.map((visited) => visited.shown), targetShown].join(' -> ');
  if (chain.some(({ real }) => real === realPath(target))) {
    throw refuse('spec_extends_itself', 'a chain that ends', drawn, 'Take one "extends" out of the circle.');
  }
  if (chain.length >= MAX_FILES) {
    throw refuse(
      'spec_extends_too_deep',
      `at most ${MAX_FILES} files`,
      drawn,
      'Put what these files say into fewer.',
    );
  }
  const below = whereExtended(shown, text.placeOf(['extends'])?.line, () =>
    follow(target, targetShown, chain),
  );
  return [...below, { ...layer, value: rest }];
}

/** A file that nobody named on the command line: its refusal says who wants it. */
function whereExtended(by: string, line: number | undefined, read: () => Layer[]): Layer[] {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof CapstoneError) || error.code !== 'spec_missing') throw error;
    throw new UserError(error.code, error.message, [`Check "extends" in ${by}, line ${line}.`]);
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path; // reading it will say what is wrong
  }
}
