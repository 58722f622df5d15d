/**
 * Flags of the job commands, read from the JSON Schema of their kind, as Python's argparse does: a flag is the
 * last word of its key with dashes unless the schema declares another (`x-flag`) or none (null). One flag may set
 * several keys (`--threads` of a sweep sets those of training and of benchmarking).
 */
import { UserError } from '../errors/errors.ts';
import type { JobKind } from '../spec/job.ts';
import { jsonSchema } from '../spec/json-schema.ts';
import type { JobField } from '../tui/run-source.ts';
import type { Flag, FlagValues } from './definition.ts';

interface Property {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly items?: Property;
  readonly properties?: Record<string, Property>;
  readonly anyOf?: readonly Property[];
  readonly const?: unknown;
  readonly 'x-flag'?: string | null;
  /** An entry whose text may hold commas. */
  readonly 'x-whole'?: boolean;
  /** What stands for the value in help. */
  readonly 'x-value'?: string;
}

interface FlagTarget {
  readonly flag: Flag;
  readonly paths: readonly (readonly string[])[];
  readonly property: Property;
}

/** Keys that the command itself answers, or that have no meaning as a flag. */
const NOT_FLAGS = new Set(['$schema', 'extends', 'version', 'kind']);

/** What to do about a bad flag. */
export const FLAGS_EXPLAINED = 'Every flag with its meaning: --help';

/** `defaults` are the command's own, by flag, where they are not the schema's. */
export function jobFlags(kind: JobKind, defaults: Readonly<Record<string, string>> = {}): Flag[] {
  return targets(kind).map(({ flag }) => {
    const own = defaults[flag.name];
    return own === undefined ? flag : { ...flag, default: own };
  });
}

/** The job spec that the given flags stand for; everything not given is left to the schema's defaults. */
export function jobFromFlags(kind: JobKind, values: FlagValues): Record<string, unknown> {
  const job: Record<string, unknown> = { version: 1, kind };
  for (const { flag, paths, property } of targets(kind)) {
    const given = values[flag.name];
    if (given === undefined) continue;
    for (const path of paths) assign(job, path, givenValue(flag.name, given, property));
  }
  return job;
}

/** The same flags as fields of a form, where a switch is a choice. */
export function jobFields(kind: JobKind): JobField[] {
  return targets(kind).map(({ flag, property }) => {
    const isSwitch = property.type === 'boolean';
    return {
      flag: flag.name,
      label: flag.name.replace(/^--/, '').replaceAll('-', ' '),
      description: flag.description,
      default: isSwitch ? String(property.default ?? false) : (flag.default ?? ''),
      choices: isSwitch ? ['false', 'true'] : [...(property.enum ?? property.items?.enum ?? [])],
      several: property.type === 'array',
    };
  });
}

/** The flags that stand for a job, as far as flags can: `lost` names the keys that no flag holds. */
export function flagsOfJob(
  kind: JobKind,
  job: Readonly<Record<string, unknown>>,
): { values: Record<string, string>; lost: string[] } {
  const values: Record<string, string> = {};
  const lost: string[] = [];
  for (const { flag, paths, property } of targets(kind)) {
    const texts = paths.map((path) => textAt(job, path, property));
    const [text] = texts;
    // One flag sets all of its keys.
    if (text === undefined || texts.some((other) => other !== text))
      lost.push(paths.map((path) => path.join('.')).join(', '));
    else if (text !== '') values[flag.name] = text;
  }
  return { values, lost };
}

/** As it is typed: empty for what has its default, undefined for what no text can say. */
function textAt(job: object, path: readonly string[], property: Property): string | undefined {
  const value = path.reduce<unknown>(
    (inner, key) => (inner as Record<string, unknown> | undefined)?.[key],
    job,
  );
  const entries = [value ?? []].flat() as unknown[];
  if (entries.length === 0 || JSON.stringify(value) === JSON.stringify(property.default)) return '';
  const isWhole = property.items?.['x-whole'] === true;
  if (isWhole) return entries.length === 1 ? String(entries[0]) : undefined;
  if (entries.some((entry) => typeof entry === 'object'))
    return JSON.stringify(entries.length === 1 ? entries[0] : entries);
  return entries.every((entry) => !String(entry).includes(',')) ? entries.join(',') : undefined;
}

function givenValue(flag: string, given: string | readonly string[] | boolean, property: Property): unknown {
  if (typeof given === 'boolean') return given;
  // A form says it in words; on a command line a switch has no value.
  if (property.type === 'boolean') return given === 'true';
  const texts = typeof given === 'string' ? [given] : given;
  return property.type === 'array'
    ? texts.flatMap((text) => listValue(flag, text, property.items ?? {}))
    : scalar(flag, texts.at(-1) ?? '', property);
}

/** The flag that sets the value at a path of a job, or an entry of the list there. */
export function flagAt(kind: JobKind, path: readonly PropertyKey[]): string | undefined {
  const key = path.filter((part) => typeof part !== 'number').join('.');
  return targets(kind).find(({ paths }) => paths.some((set) => set.join('.') === key))?.flag.name;
}

function targets(kind: JobKind): FlagTarget[] {
  const found = new Map<string, FlagTarget>();
  const visit = (properties: Record<string, Property>, prefix: readonly string[]) => {
    for (const [key, property] of Object.entries(properties)) {
      if (prefix.length === 0 && NOT_FLAGS.has(key)) continue;
      if (property.const !== undefined || property['x-flag'] === null) continue;
      const path = [...prefix, key];
      if (property.properties !== undefined) {
        visit(property.properties, path);
        continue;
      }
      const name = property['x-flag'] ?? `--${key.replaceAll('_', '-')}`;
      const same = found.get(name);
      found.set(name, {
        flag: {
          name,
          description: same?.flag.description ?? described(property),
          // What is off by default is a switch.
          ...(property.type === 'boolean'
            ? {}
            : { value: placeholder(key, property), ...withDefault(property.default) }),
          repeats: property.type === 'array',
        },
        paths: [...(same?.paths ?? []), path],
        property,
      });
    }
  };
  visit(schemaOf(kind).properties ?? {}, []);
  return [...found.values()];
}

function schemaOf(kind: JobKind): Property {
  const { oneOf, anyOf } = jsonSchema('job') as { oneOf?: Property[]; anyOf?: Property[] };
  const schema = (oneOf ?? anyOf ?? []).find((option) => option.properties?.['kind']?.const === kind);
  if (schema === undefined) throw new Error(`no schema for jobs of kind ${kind}`);
  return schema;
}

function described({ description = '', items }: Property): string {
  const takesObjects = items?.anyOf?.some(({ type }) => type === 'object') ?? false;
  return takesObjects ? `${description} In a flag an object is JSON.` : description;
}

/** An empty list is no default worth a word. */
function withDefault(value: unknown): { default?: string } {
  const text = [value ?? []].flat().join(',');
  return text === '' ? {} : { default: text };
}

function placeholder(key: string, property: Property): string {
  if (property.items?.['x-whole'] === true) return 'EXPR';
  const choices = property.enum ?? property.items?.enum;
  if (choices !== undefined) return choices.join('|');
  if (isNumeric(property.items ?? property)) return 'N';
  return property['x-value'] ?? key.toUpperCase().replace(/S$/, '');
}

/** `1`, `1,3` and, for whole numbers, `1-5`; what has no name is an object, or a list with one, in JSON. */
function listValue(flag: string, text: string, items: Property): unknown[] {
  if (items['x-whole'] === true) return [text];
  if (/^\s*[[{]/.test(text)) return jsonValues(flag, text);
  return text.split(',').flatMap((part): unknown[] => {
    const range = isInteger(items) ? part.match(/^(\d+)-(\d+)$/) : null;
    if (range === null) return [scalar(flag, part, items)];
    const [first, last] = [Number(range[1]), Number(range[2])];
    if (last < first || last - first > 1000) throw invalid(flag, part, 'a range such as 1-5');
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

function jsonValues(flag: string, text: string): unknown[] {
  try {
    return [JSON.parse(text) as unknown].flat();
  } catch {
    throw invalid(flag, text, 'names, or an object in JSON');
  }
}

function scalar(flag: string, text: string, property: Property): unknown {
  if (!isNumeric(property)) return text;
  if (text.trim() === '' || !Number.isFinite(Number(text))) throw invalid(flag, text, 'a number');
  return Number(text);
}

function isNumeric(property: Property): boolean {
  const types = [property, ...(property.anyOf ?? [])].map((option) => option.type);
  return types.includes('number') || types.includes('integer');
}

function isInteger(property: Property): boolean {
  return property.type === 'integer';
}

function invalid(flag: string, text: string, expected: string): UserError {
  return new UserError('flag_invalid', `${flag}: expected ${expected}, found ${JSON.stringify(text)}`, [
    FLAGS_EXPLAINED,
  ]);
}

function assign(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [head, ...rest] = path;
  if (head === undefined) return;
  if (rest.length === 0) {
    target[head] = value;
    return;
  }
  target[head] ??= {};
  assign(target[head] as Record<string, unknown>, rest, value);
}
