/** Checks a spec against its schema: every problem at once, each with the file or flag that is to be changed. */
import type { z } from 'zod';
import { at, drawPath, type Finding, optional, parse } from './explain.ts';
import { MAX_PROBLEMS, type Path, type Place } from './json-text.ts';
import { type Layer, layerOf, mergeLayers } from './layers.ts';
import { FORMAT_VERSION } from './names.ts';

export interface SpecProblem {
  /** A file, or the flag that set the value. */
  readonly source: string;
  /** As a reader writes it: `levels[2]`, `train.epochs`; empty for the whole file, or where the source says it. */
  readonly path: string;
  readonly expected: string;
  readonly found: string;
  readonly nearest?: string;
  /** In the file, where the value came from one. */
  readonly place?: Place;
}

export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | {
      readonly ok: false;
      readonly problems: SpecProblem[];
      /** It was written for a later version of the format; nothing else is known about it. */
      readonly fromTheFuture: boolean;
    };

/**
 * Parses what the layers make together and explains every problem at once, in the order of the text.
 * `findMore` looks for what a schema cannot say.
 */
export function check<S extends z.ZodType>(
  schema: S,
  layers: readonly Layer[],
  findMore: (merged: unknown) => Finding[] = () => [],
): Checked<z.infer<S>> {
  const newer = layers.flatMap(fromTheFuture);
  if (newer.length > 0) return { ok: false, problems: newer, fromTheFuture: true };
  const merged = mergeLayers(layers);
  const parsed = parse(schema, merged);
  const findings = [...parsed.findings, ...findMore(merged)].slice(0, MAX_PROBLEMS);
  const problems = inOrder(layers, [
    ...layers.flatMap((layer) =>
      (layer.text?.duplicates ?? []).map(({ path, ...rest }) => ({
        layer,
        problem: { source: layer.name, path: drawPath(path), ...rest },
      })),
    ),
    ...findings.map((finding) => located(finding, layers)),
  ]);
  if (problems.length > 0) return { ok: false, problems, fromTheFuture: false };
  if (!parsed.ok) throw new Error('a value was refused without a reason');
  return { ok: true, value: parsed.value };
}

/** Each format has a version, and what a later one says nobody can know now. */
function fromTheFuture(layer: Layer): SpecProblem[] {
  const version = at(layer.value, ['version']);
  if (typeof version !== 'number' || !Number.isInteger(version) || version <= FORMAT_VERSION) return [];
  const found = `${version}, which a newer capstone reads`;
  return [located({ path: ['version'], expected: String(FORMAT_VERSION), found }, [layer]).problem];
}

function located({ path, atKey, ...facts }: Finding, layers: readonly Layer[]): Located {
  // What is missing has no place of its own; the object that lacks it has.
  const known = [path, path.slice(0, -1)].find((part) => part.length > 0 && layerOf(layers, part));
  const layer = known
    ? layerOf(layers, known)
    : (layers.findLast(({ text }) => text !== undefined) ?? layers.at(-1));
  if (layer === undefined) throw new Error('a spec without layers has no problems');
  const written = known && (atKey ? layer.text?.placeOfKey(known) : layer.text?.placeOf(known));
  const place = written && known.length < path.length ? { ...written, length: 1 } : written;
  const flag = layer.flagAt?.(path);
  return {
    layer,
    problem: {
      source: flag ?? layer.name,
      path: flag !== undefined || isSetBy(layer, path) ? '' : drawPath(path),
      ...facts,
      ...optional('place', place),
    },
  };
}

/** Whether the layer's name says where: which entry of a list is wrong is plain from what was found. */
function isSetBy({ sets }: Layer, path: Path): boolean {
  const rest = path.slice(sets?.length ?? 0);
  return sets !== undefined && (rest.length === 0 || (rest.length === 1 && typeof rest[0] === 'number'));
}

interface Located {
  readonly layer: Layer;
  readonly problem: SpecProblem;
}

/** The topmost file first, each from its first line to its last; then the flags. */
function inOrder(layers: readonly Layer[], found: readonly Located[]): SpecProblem[] {
  const rank = ({ layer }: Located) =>
    layer.text === undefined ? layers.length + layers.indexOf(layer) : layers.length - layers.indexOf(layer);
  const before = ({ place }: SpecProblem, { place: other }: SpecProblem) =>
    (place?.line ?? 0) - (other?.line ?? 0) || (place?.column ?? 0) - (other?.column ?? 0);
  const sorted = [...found].sort((a, b) => rank(a) - rank(b) || before(a.problem, b.problem));
  // One flag may set several keys, which are all wrong then.
  return sorted
    .map(({ problem }) => problem)
    .filter((problem, index, all) => !isSame(problem, all[index - 1]));
}

function isSame(problem: SpecProblem, other: SpecProblem | undefined): boolean {
  return JSON.stringify(problem) === JSON.stringify(other);
}
