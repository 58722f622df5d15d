/**
 * From zod's issues to problems a person can act on. A problem is data: where, what was expected, what was
 * found, the nearest valid thing. The sentence comes last.
 */
import { distance } from 'fastest-levenshtein';
import type { z } from 'zod';

export interface SpecProblem {
  readonly file: string;
  /** As a reader writes it: `levels[2]`, `train.epochs`; empty for the whole file. */
  readonly path: string;
  readonly expected: string;
  readonly found: string;
  readonly nearest?: string;
}

export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: SpecProblem[] };

/** Parses `source` and explains every problem at once. */
export function check<S extends z.ZodType>(schema: S, source: unknown, file: string): Checked<z.infer<S>> {
  const parsed = schema.safeParse(source, { error: knownKeysAsMessage });
  if (parsed.success) return { ok: true, value: parsed.data };
  return { ok: false, problems: parsed.error.issues.flatMap((issue) => explain(issue, source, file)) };
}

/** zod forgets which schema refused a key; its message is the one place that can carry the keys it knows. */
function knownKeysAsMessage(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code !== 'unrecognized_keys') return undefined;
  const shape = (issue.inst as z.ZodObject | undefined)?.shape ?? {};
  return Object.keys(shape).join(' ');
}

export function drawProblem(problem: SpecProblem): string {
  const place = problem.path === '' ? problem.file : `${problem.file}, ${problem.path}`;
  const nearest = problem.nearest === undefined ? '' : `. Did you mean ${JSON.stringify(problem.nearest)}?`;
  return `${place}: expected ${problem.expected}, found ${problem.found}${nearest}`;
}

function explain(issue: z.core.$ZodIssue, source: unknown, file: string): SpecProblem[] {
  const path = drawPath(issue.path);
  const value = at(source, issue.path);
  const problem = (expected: string, found = show(value), nearest?: string): SpecProblem => ({
    file,
    path,
    expected,
    found,
    ...(nearest === undefined ? {} : { nearest }),
  });
  switch (issue.code) {
    case 'invalid_type':
      return [problem(article(issue.expected))];
    case 'too_small':
      return [
        problem(bound(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum)),
      ];
    case 'too_big':
      return [
        problem(bound(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum)),
      ];
    case 'invalid_value': {
      const choices = issue.values.map(String);
      const expected = choices.length === 1 ? show(issue.values[0]) : `one of ${choices.join(', ')}`;
      return [
        problem(expected, show(value), typeof value === 'string' ? nearest(value, choices) : undefined),
      ];
    }
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        file,
        path: drawPath([...issue.path, key]),
        expected: 'no such key',
        found: JSON.stringify(key),
        ...optional('nearest', nearest(key, issue.message.split(' '))),
      }));
    case 'invalid_union': {
      if (issue.errors.length === 0) {
        const choices = (('options' in issue ? issue.options : undefined) ?? []).map(String);
        return [
          problem(
            `one of ${choices.join(', ')}`,
            show(value),
            typeof value === 'string' ? nearest(value, choices) : undefined,
          ),
        ];
      }
      // The branch that got furthest says best what is wrong: a misspelt key in an object is not "expected a string".
      const deepest = [...issue.errors].sort((a, b) => depth(b) - depth(a))[0] ?? [];
      return deepest.flatMap((inner) =>
        explain({ ...inner, path: [...issue.path, ...inner.path] } as z.core.$ZodIssue, source, file),
      );
    }
    case 'invalid_format':
      return [problem(issue.message)];
    case 'not_multiple_of':
      return [problem(`a multiple of ${issue.divisor}`)];
    case 'custom': {
      const params = issue.params as { expected?: string; found?: string } | undefined;
      return [problem(params?.expected ?? issue.message, params?.found)];
    }
    case 'invalid_key':
    case 'invalid_element':
      return [problem(issue.message)];
  }
}

/** How far a branch of a union got: a type mismatch at its root is the furthest from what was meant. */
function depth(errors: readonly z.core.$ZodIssue[]): number {
  const first = errors[0];
  if (first === undefined) return 0;
  return first.code === 'invalid_type' && first.path.length === 0 ? 0 : 1 + first.path.length;
}

/** The nearest of the known words, when it is near enough to be what was meant. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const ranked = known
    .map((candidate) => ({ candidate, edits: distance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  return best !== undefined && best.edits <= Math.max(2, Math.floor(word.length / 3))
    ? best.candidate
    : undefined;
}

function drawPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');
}

function at(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (inner, part) =>
      typeof inner === 'object' && inner !== null ? (inner as Record<PropertyKey, unknown>)[part] : undefined,
    value,
  );
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
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

function optional<K extends string>(key: K, value: string | undefined): Partial<Record<K, string>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, string>);
}
