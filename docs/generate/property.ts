/** One property of a JSON Schema as a reader wants it: its type and range in words, its default, an example. */

export interface Property {
  readonly type?: string | readonly string[];
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly examples?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly pattern?: string;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly items?: Property;
  readonly properties?: Readonly<Record<string, Property>>;
  readonly additionalProperties?: Property | boolean;
  readonly required?: readonly string[];
  readonly anyOf?: readonly Property[];
  readonly oneOf?: readonly Property[];
  readonly allOf?: readonly Property[];
  readonly $ref?: string;
  readonly definitions?: Readonly<Record<string, Property>>;
  readonly 'x-flag'?: string | null;
  readonly 'x-unit'?: string;
  readonly 'x-decimals'?: number;
  readonly 'x-identity'?: readonly string[];
  readonly 'x-comparison'?: boolean;
  readonly 'x-version'?: number;
  readonly 'x-never-after'?: readonly string[];
  readonly 'x-needs'?: readonly string[];
}

/** The same schema with every `$ref`, and the `allOf` that carries one, put in its place. */
export function resolved(schema: Property, definitions = schema.definitions ?? {}): Property {
  const visit = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(visit);
    if (typeof value !== 'object' || value === null) return value;
    const { $ref, allOf, ...rest } = value as Property;
    const parts = [...(allOf ?? []), ...($ref === undefined ? [] : [target($ref)])].map(visit);
    const own = Object.fromEntries(Object.entries(rest).map(([key, part]) => [key, visit(part)]));
    return Object.assign({}, ...parts, own);
  };
  const target = (ref: string): Property => {
    const found = definitions[ref.replace('#/definitions/', '')];
    if (found === undefined) throw new Error(`no definition for ${ref}`);
    return found;
  };
  return visit(schema) as Property;
}

/** Bounds of JavaScript's safe integers are no bounds that anybody set. */
const isBound = (limit: number | undefined): limit is number =>
  limit !== undefined && Math.abs(limit) < Number.MAX_SAFE_INTEGER;

/** `whole number, 1 to 10000`; `list of names`; `one of "sgd", "adamw"`; `text or null`. */
export function typeInWords(property: Property): string {
  if (property.const !== undefined) return JSON.stringify(property.const);
  if (property.enum !== undefined) return oneOf(property.enum);
  const options = property.anyOf ?? property.oneOf;
  if (options !== undefined) return either(options.map(typeInWords));
  if (Array.isArray(property.type)) {
    return either(property.type.map((type: string) => typeInWords({ ...property, type })));
  }
  switch (property.type) {
    case 'integer':
      return `whole number${range(property)}`;
    case 'number':
      return `number${range(property)}`;
    case 'string':
      return property.pattern === undefined ? 'text' : textLike(property.pattern);
    case 'boolean':
      return 'true or false';
    case 'null':
      return 'null';
    case 'array':
      return `list of: ${typeInWords(property.items ?? {})}`;
    case 'object':
      return 'object';
    default:
      return 'anything';
  }
}

/** As JSON; empty where there is none to show. */
export function defaultInWords(property: Property): string {
  const { default: value } = property;
  return value === undefined || isEmptyObject(value) ? '' : JSON.stringify(value);
}

/** What may stand there, as JSON; empty where the schema shows none. */
export function exampleInWords(property: Property): string {
  const entry = property.items?.examples?.[0];
  const value =
    property.examples?.[0] ??
    property.const ??
    (entry === undefined ? undefined : [entry]) ??
    property.default ??
    property.enum?.[0];
  return value === undefined || isEmptyObject(value) ? '' : JSON.stringify(value);
}

/** Its own, or that of the option that is not null. */
export function meaning(property: Property): string {
  return property.description ?? property.anyOf?.find((option) => option.description)?.description ?? '';
}

function oneOf(values: readonly unknown[]): string {
  const texts = values.map((value) => JSON.stringify(value));
  return texts.length === 1 ? (texts[0] ?? '') : `one of ${texts.join(', ')}`;
}

function range({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Property): string {
  if (isBound(minimum) && isBound(maximum)) return `, ${minimum} to ${maximum}`;
  const bounds = [
    isBound(minimum) ? `at least ${minimum}` : undefined,
    isBound(exclusiveMinimum) ? `more than ${exclusiveMinimum}` : undefined,
    isBound(maximum) ? `at most ${maximum}` : undefined,
    isBound(exclusiveMaximum) ? `less than ${exclusiveMaximum}` : undefined,
  ].filter((bound) => bound !== undefined);
  return bounds.length === 0 ? '' : `, ${bounds.join(', ')}`;
}

function textLike(pattern: string): string {
  if (pattern === '^[0-9a-f]{64}$') return 'SHA-256';
  return /^\^\[A-Za-z0-9\]\[A-Za-z0-9\._-\]/.test(pattern) ? 'name' : `text like ${pattern}`;
}

function either(types: readonly string[]): string {
  const kinds = [...new Set(types)];
  return kinds.join(kinds.some((kind) => kind.includes(',')) ? ', or ' : ' or ');
}

function isEmptyObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && JSON.stringify(value) === '{}';
}
