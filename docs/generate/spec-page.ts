/** docs/spec.md, from the schemas of a job and of a recipe, and the jobs in examples/. */
import { code, fenced, GENERATED, page, table } from './markdown.ts';
import { defaultInWords, exampleInWords, meaning, type Property, resolved, typeInWords } from './property.ts';

export interface Example {
  /** As linked from the page. */
  readonly file: string;
  readonly text: string;
}

/** The properties that one key has in the kinds that take it. */
interface Key {
  readonly name: string;
  readonly byKind: Map<string, Property>;
  isRequired: boolean;
}

/** An object of the spec: where it stands, and its keys. */
interface Group {
  readonly path: string;
  readonly description: string;
  readonly keys: Map<string, Key>;
}

export function specPage(job: Property, recipe: Property, examples: readonly Example[]): string {
  const kinds = (resolved(job).oneOf ?? []).map((branch) => ({ kind: kindOf(branch), branch }));
  const groups = groupsOf(kinds);
  return page(
    GENERATED,
    '# Specs',
    'A job is a JSON file for `capstone run --spec FILE`, or the flags of a command. `capstone validate --spec FILE` ' +
      'says every problem at once and runs nothing. Unknown keys are refused. Paths in a spec start at the file ' +
      'that holds them. With `"$schema"` an editor completes and checks the file while it is written.',
    '## Kinds of job',
    table(
      ['Kind', 'What it does', 'Keys it takes'],
      kinds.map(({ kind, branch }) => [
        code(kind),
        branch.description ?? '',
        Object.entries(branch.properties ?? {})
          .filter(([key, { maxItems }]) => !['$schema', 'version', 'kind'].includes(key) && maxItems !== 0)
          .map(([key]) => code(key))
          .join(', '),
      ]),
    ),
    ...[...groups.values()].flatMap((group) => groupSection(group, kinds.length)),
    '## Examples',
    ...exampleSections(
      examples,
      kinds.map(({ kind }) => kind),
    ),
    ...recipeSections(resolved(recipe)),
  );
}

function kindOf(branch: Property): string {
  return String(branch.properties?.['kind']?.const);
}

function groupsOf(kinds: readonly { kind: string; branch: Property }[]): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const { kind, branch } of kinds) collect(branch, '', kind, groups);
  return groups;
}

/** Objects below a property are groups of their own: `train`, `models[]`. */
function collect(object: Property, path: string, kind: string, groups: Map<string, Group>): void {
  const group: Group = groups.get(path) ?? {
    path,
    description: path === '' ? '' : (object.description ?? ''),
    keys: new Map(),
  };
  groups.set(path, group);
  for (const [name, property] of Object.entries(object.properties ?? {})) {
    const key: Key = group.keys.get(name) ?? { name, byKind: new Map(), isRequired: false };
    key.byKind.set(kind, property);
    key.isRequired ||= object.required?.includes(name) === true;
    group.keys.set(name, key);
    const below = path === '' ? name : `${path}.${name}`;
    for (const [place, inner] of innerObjects(property, below)) collect(inner, place, kind, groups);
  }
}

function innerObjects(property: Property, path: string): [string, Property][] {
  const options = [property, ...(property.anyOf ?? []), ...(property.oneOf ?? [])];
  return options.flatMap((option): [string, Property][] => {
    if (option.properties !== undefined) return [[path, option]];
    return option.items === undefined ? [] : innerObjects(option.items, `${path}[]`);
  });
}

function groupSection(group: Group, kindCount: number): string[] {
  const isTop = group.path === '';
  const rows = [...group.keys.values()].map((key) => {
    // Where a list has to be empty the key says nothing.
    const saying = [...key.byKind].filter(([, property]) => property.maxItems !== 0);
    const kinds = saying.map(([kind]) => kind);
    const first = saying[0]?.[1] ?? {};
    const isKind = isTop && key.name === 'kind';
    return [
      `${code(key.name)}${key.isRequired ? ' (required)' : ''}`,
      isKind ? `one of ${kinds.map((kind) => JSON.stringify(kind)).join(', ')}` : typeInWords(first),
      code(defaultInWords(first)),
      [
        isKind ? 'Kind of job, as above.' : meaning(first),
        ...(isTop && kinds.length < kindCount ? [`Only in ${kinds.join(', ')}.`] : []),
      ].join(' '),
      code(exampleInWords(first)),
      flagsOf(key).map(code).join(', '),
    ];
  });
  return [
    group.path === '' ? '## Keys of a job' : `### ${code(group.path)}`,
    group.description,
    table(['Key', 'Type', 'Default', 'Meaning', 'Example', 'Flag'], rows),
  ];
}

/** Where the classic tool's flag is not the key itself. */
function flagsOf(key: Key): string[] {
  return [...new Set([...key.byKind.values()].flatMap((property) => property['x-flag'] ?? []))];
}

/** One whole job of each kind, the one named for its kind first; the others as links. */
function exampleSections(examples: readonly Example[], kinds: readonly string[]): string[] {
  return kinds.flatMap((kind) => {
    const ofKind = examples.filter(({ text }) => (JSON.parse(text) as { kind?: unknown }).kind === kind);
    const shown = ofKind.find(({ file }) => file.endsWith(`/${kind}.json`)) ?? ofKind[0];
    if (shown === undefined) return [];
    const link = ({ file }: Example) => `[${file.replace('../', '')}](${file})`;
    const others = ofKind.filter((example) => example !== shown).map(link);
    return [
      `${code(kind)}, ${link(shown)}${others.length === 0 ? '' : `; see also ${others.join(', ')}`}:`,
      fenced('json', shown.text),
    ];
  });
}

function recipeSections(recipe: Property): string[] {
  const levels = recipe.properties?.['levels']?.properties ?? {};
  const steps = levels['1']?.items?.oneOf ?? [];
  return [
    '## Recipes',
    'A recipe says which steps make each level. It is named in a job by its name (`recipes/` of the package) or by ' +
      'its path, and is JSON too:',
    table(
      ['Key', 'Type', 'Meaning'],
      Object.entries(recipe.properties ?? {}).map(([name, property]) => [
        `${code(name)}${recipe.required?.includes(name) === true ? ' (required)' : ''}`,
        typeInWords(property),
        meaning(property),
      ]),
    ),
    '`levels` are those of every family that `families` does not name; one of them has to be there. Each holds the keys `"1"` to `"5"`, each a list of steps, ' +
      'carried out in their order.',
    '## Steps',
    'A level whose steps break an order rule is refused before anything runs. The version of a step is part of ' +
      'the key of every task that uses it, and is raised when its results change.',
    ...steps.flatMap(stepSection),
  ];
}

function stepSection(step: Property): string[] {
  const { step: named, ...settings } = step.properties ?? {};
  const names = (list: readonly string[] | undefined) => (list ?? []).map(code).join(', ');
  const rules = [
    ['Never after', names(step['x-never-after'])],
    ['Uses', names(step['x-needs'])],
    ['Version', String(step['x-version'] ?? '')],
  ].filter(([, value]) => value !== '');
  return [
    `### ${code(String(named?.const))}`,
    step.description ?? '',
    rules.map(([rule, value]) => `${rule}: ${value}.`).join(' '),
    Object.keys(settings).length === 0
      ? ''
      : table(
          ['Key', 'Type', 'Default', 'Meaning', 'Example'],
          Object.entries(settings).map(([name, property]) => [
            `${code(name)}${step.required?.includes(name) === true ? ' (required)' : ''}`,
            typeInWords(property),
            code(defaultInWords(property)),
            meaning(property),
            code(exampleInWords(property)),
          ]),
        ),
  ];
}
