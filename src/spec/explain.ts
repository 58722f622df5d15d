/**
 * From zod's issues to findings: what was expected at a path, what was found there, the nearest valid thing. The one
 * place that words them.
 */
import { z } from 'zod';
import { MAX_PROBLEMS, type Path } from './json-text.ts';
import { nearest } from './nearest.ts';

const SHOWN = 60;

/** A problem before it is known where its value was written. */
export interface Finding {
  readonly path: Path;
  readonly expected: string;
  readonly found: string;
  readonly nearest?: string;
  /** The key is at fault, not its value. */
  readonly atKey?: boolean;
}

export type Parsed<T> = { readonly findings: Finding[] } & (
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false }
);

/** Parses a value and explains all that is wrong with it. */
export function parse<S extends z.ZodType>(schema: S, value: unknown): Parsed<z.infer<S>> {
  const parsed = schema.safeParse(value, { error: knownKeysAsMessage });
  if (parsed.success) return { ok: true, value: parsed.data, findings: [] };
  const findings = parsed.error.issues
    .slice(0, MAX_PROBLEMS)
    .flatMap((issue) => explain(issue, value, schema));
  return { ok: false, findings: [...findings, ...behindDiscriminator(schema, value, findings)] };
}

/** zod asks no further where it cannot tell which schema was meant; a near enough word says it. */
function behindDiscriminator(schema: z.ZodType, value: unknown, findings: readonly Finding[]): Finding[] {
  if (!(schema instanceof z.ZodDiscriminatedUnion) || typeof value !== 'object' || value === null) return [];
  const key = schema.def.discriminator;
  const meant = findings.find(({ path }) => path.length === 1 && path[0] === key)?.nearest;
  return meant === undefined ? [] : parse(schema, { ...value, [key]: meant }).findings;
}

/**
 * Leaves the wording to `explain`, except where a schema words itself. zod forgets which schema refused a key; the
 * message is the one place that can carry the keys it knows.
 */
function knownKeysAsMessage(issue: z.core.$ZodRawIssue): string {
  if (issue.code !== 'unrecognized_keys') return '';
  const shape = (issue.inst as z.ZodObject | undefined)?.shape ?? {};
  return Object.keys(shape).join(' ');
}

function explain(issue: z.core.$ZodIssue, source: unknown, schema: z.ZodType): Finding[] {
  const { path } = issue;
  const value = at(source, path);
  const finding = (expected: string, more: Partial<Finding> = {}): Finding => ({
    path,
    expected: issue.message === '' ? expected : issue.message,
    found: show(value),
    ...more,
  });
  const oneOf = (choices: readonly string[]) =>
    finding(
      `one of ${choices.join(', ')}`,
      optional('nearest', typeof value === 'string' ? nearest(value, choices) : undefined),
    );
  switch (issue.code) {
    case 'invalid_type':
      return [finding(article(issue.expected))];
    case 'too_small':
      return [
        finding(bound(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum)),
      ];
    case 'too_big':
      return [
        finding(bound(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum)),
      ];
    case 'invalid_value':
      return [issue.values.length === 1 ? finding(show(issue.values[0])) : oneOf(issue.values.map(String))];
    case 'unrecognized_keys':
      return issue.keys
        .slice(0, MAX_PROBLEMS)
        .map((key) => unknownKey(key, path, issue.message.split(' '), source, schema));
    case 'invalid_union': {
      if (issue.errors.length === 0) {
        return [oneOf((('options' in issue ? issue.options : undefined) ?? []).map(String))];
      }
      const kinds = issue.errors.map(([first]) => first);
      if (kinds.every((first) => first?.code === 'invalid_type' && first.path.length === 0)) {
        const expected = kinds.map((first) =>
          first?.code === 'invalid_type' ? article(first.expected) : '',
        );
        return [finding([...new Set(expected)].join(' or '))];
      }
      // The branch that got furthest says best what is wrong: a misspelt key in an object is not "expected a string".
      const deepest = [...issue.errors].sort((a, b) => depth(b) - depth(a))[0] ?? [];
      return deepest.flatMap((inner) =>
        explain({ ...inner, path: [...path, ...inner.path] } as z.core.$ZodIssue, source, schema),
      );
    }
    case 'not_multiple_of':
      return [finding(`a multiple of ${issue.divisor}`)];
    case 'custom': {
      const params = issue.params as { expected?: string; found?: string } | undefined;
      return [{ ...finding(''), ...params }];
    }
    case 'invalid_format':
    case 'invalid_key':
    case 'invalid_element':
      return [finding('a valid value')];
  }
}

function unknownKey(
  key: string,
  path: Path,
  known: readonly string[],
  source: unknown,
  schema: z.ZodType,
): Finding {
  const finding = { path: [...path, key], found: show(key), atKey: true };
  const owners = path.length === 0 ? ownersOf(key, schema) : [];
  if (schema instanceof z.ZodDiscriminatedUnion && owners.length > 0) {
    const kind = String(at(source, [schema.def.discriminator]));
    const things = `${nounOf(schema)}s`;
    return {
      ...finding,
      expected: `a key of ${kind} ${things}`,
      found: `${show(key)}, which belongs to ${list(owners)} ${things}`,
    };
  }
  const guess = nearest(key, known);
  return guess === undefined
    ? { ...finding, expected: `one of the keys ${known.join(', ')}` }
    : { ...finding, expected: 'a known key', nearest: guess };
}

/** Titles of the members of a union that know the key. */
function ownersOf(key: string, schema: z.ZodType): string[] {
  if (!(schema instanceof z.ZodDiscriminatedUnion)) return [];
  return schema.options
    .filter((option) => option instanceof z.ZodObject && Object.hasOwn(option.shape, key))
    .map((option) => String((option as z.ZodObject).meta()?.title ?? ''));
}

/** `job` of a schema titled `capstone job`. */
function nounOf(schema: z.ZodType): string {
  return schema.meta()?.title?.split(' ').at(-1) ?? '';
}

/** How far a branch of a union got: a type mismatch at its root is the furthest from what was meant. */
function depth(errors: readonly z.core.$ZodIssue[]): number {
  const first = errors[0];
  if (first === undefined) return 0;
  return first.code === 'invalid_type' && first.path.length === 0 ? 0 : 1 + first.path.length;
}

function list(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

/** `levels[2]`, `train.epochs`. */
export function drawPath(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    const key = shorten(String(part));
    return text === '' ? key : `${text}.${key}`;
  }, '');
}

/** What stands at a path; undefined where nothing does. */
export function at(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, part) =>
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, part)
        ? (inner as Record<PropertyKey, unknown>)[part]
        : undefined,
    value,
  );
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  // JSON has no word for a number as large as 1e999.
  return shorten(typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value)));
}

function shorten(text: string): string {
  return text.length > SHOWN ? `${text.slice(0, SHOWN - 3)}...` : text;
}

function article(type: string): string {
  if (type === 'int') return 'a whole number';
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

function bound(origin: string, relation: string, limit: number | bigint): string {
  if (origin === 'array' || origin === 'set')
    return `${relation} ${limit} ${Number(limit) === 1 ? 'entry' : 'entries'}`;
  if (origin === 'string') return `${relation} ${limit} ${Number(limit) === 1 ? 'character' : 'characters'}`;
  return `a number, ${relation} ${limit}`;
}

/** `{ key: value }`, or nothing where there is no value. */
export function optional<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, V>);
}
