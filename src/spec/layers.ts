/**
 * A spec is put together from layers: the files it extends, itself, then what flags set. Objects are merged key by
 * key; anything else replaces what lay below. Of each value it stays known which layer it came from.
 */
import type { JsonText, Path } from './json-text.ts';

export interface Layer {
  /** Origin in messages: a file as the user named it, `--set train.epochs`, `flags`. */
  readonly name: string;
  /** Relative paths in it start here; absolute. */
  readonly folder: string;
  readonly value: unknown;
  /** Of a file. */
  readonly text?: JsonText;
  /** The one path that an option sets, which its name says already. */
  readonly sets?: Path;
  /** The flag that set the value at a path, where flags made the layer. */
  flagAt?(path: Path): string | undefined;
}

/** What lies above wins. */
export function mergeLayers(layers: readonly Layer[]): unknown {
  return layers.map(({ value }) => value).reduce(merge);
}

function merge(below: unknown, above: unknown): unknown {
  if (!isObject(below) || !isObject(above)) return above;
  const keys = new Set([...Object.keys(below), ...Object.keys(above)]);
  return Object.fromEntries(
    [...keys].map((key) => {
      if (!Object.hasOwn(above, key)) return [key, below[key]];
      return [key, Object.hasOwn(below, key) ? merge(below[key], above[key]) : above[key]];
    }),
  );
}

/** The layer that the value at a path came from; undefined where none has one. */
export function layerOf(layers: readonly Layer[], path: Path): Layer | undefined {
  let candidates = [...layers].reverse().map((layer) => ({ layer, value: layer.value }));
  for (const key of path) {
    // What lies below a list or a plain value was replaced by it.
    const whole = candidates.findIndex(({ value }) => !isObject(value));
    const visible = whole < 0 ? candidates : candidates.slice(0, whole === 0 ? 1 : whole);
    candidates = visible.flatMap(({ layer, value }) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, key)
        ? [{ layer, value: (value as Record<PropertyKey, unknown>)[key] }]
        : [],
    );
  }
  return candidates[0]?.layer;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
