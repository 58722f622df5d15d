/** What is generated is fresh, what is linked is there, and what help shows can be typed. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { withKeys } from '../docs/generate/keys-block.ts';
import { loadCommands, pages } from '../docs/generate/pages.ts';
import { meaning, type Property } from '../docs/generate/property.ts';
import { COMMANDS } from '../src/cli/main.ts';
import type { Command } from '../src/commands/definition.ts';
import { jobDesk } from '../src/commands/tui/job-desk.ts';
import { jsonSchema, type SchemaName } from '../src/spec/json-schema.ts';
import { PACKAGE_ROOT } from './rig.ts';

const fresh = await pages(PACKAGE_ROOT);
const commands = await loadCommands();

test.each([...fresh.keys()])('%s is what `npm run docs` writes', (file) => {
  expect(readFileSync(join(PACKAGE_ROOT, file), 'utf8')).toBe(fresh.get(file));
});

test.each<SchemaName>(['job', 'recipe', 'row', 'event'])(
  'every key of the %s schema has a meaning',
  (name) => {
    expect(keysWithoutMeaning(jsonSchema(name) as Property, name)).toEqual([]);
  },
);

test('the page of the terminal UI has one table of keys for each screen', () => {
  const block = (screen: string) => `<!-- keys:begin ${screen}, by \`npm run docs\` --><!-- keys:end -->`;
  const desk = jobDesk(PACKAGE_ROOT, PACKAGE_ROOT);
  expect(() => withKeys(block('home'), desk)).toThrow('no keys:begin for job, run, results, everywhere');
  expect(() => withKeys(block('home') + block('home'), desk)).toThrow('keys:begin home: ');
  expect(() => withKeys(block('elsewhere'), desk)).toThrow('keys:begin elsewhere: no such screen');
});

test('the list of commands says what each command says of itself', () => {
  const listed = Object.entries(COMMANDS).map(([name, { summary }]) => [name, summary]);
  expect(listed).toEqual(commands.map(([name, { summary }]) => [name, summary]));
});

describe.each(commands)('examples of capstone %s', (_name, command) => {
  test.each(examplesOf(command))('%s', (example) => {
    expect(unknownParts(example)).toEqual([]);
  });
});

test.each(markdownFiles())('links of %s lead somewhere', (file) => {
  const text = readFileSync(join(PACKAGE_ROOT, file), 'utf8').replace(/^```[\s\S]*?^```/gm, '');
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"/g)].map(
    (match) => match[1] ?? match[2] ?? '',
  );
  const missing = targets
    .filter((target) => !/^(https?:|#)/.test(target))
    .filter((target) => !existsSync(join(PACKAGE_ROOT, dirname(file), target.replace(/#.*/, ''))));
  expect(missing).toEqual([]);
});

/** Constants tell the branches of a union apart and need no words. */
function keysWithoutMeaning(schema: Property, path: string): string[] {
  const own = Object.entries(schema.properties ?? {}).flatMap(([key, property]) => [
    ...(meaning(property) === '' && property.const === undefined ? [`${path}.${key}`] : []),
    ...keysWithoutMeaning(property, `${path}.${key}`),
  ]);
  const { items, additionalProperties: values } = schema;
  const inner = [
    ...[schema.anyOf, schema.oneOf, schema.allOf].flatMap((options) => options ?? []),
    ...(items === undefined ? [] : [items]),
    ...(typeof values === 'object' ? [values] : []),
  ];
  return [...own, ...inner.flatMap((part) => keysWithoutMeaning(part, path))];
}

function examplesOf(command: Command): string[] {
  return [...command.examples, ...Object.values(command.subcommands ?? {}).flatMap(examplesOf)];
}

/** Words of an example that the command it names does not take. */
function unknownParts(example: string): string[] {
  const words = (example.replace(/ > .*/, '').match(/'[^']*'|"[^"]*"|\S+/g) ?? []).filter(
    (word) => !/^[A-Z_]+=/.test(word),
  );
  const [program, name = '', next = '', ...others] = words;
  if (program !== 'capstone') return [example];
  const command = commands.find(([known]) => known === name)?.[1];
  if (command === undefined) return [name];
  const subcommand = command.subcommands?.[next];
  const given = subcommand === undefined ? [next, ...others] : others;
  const known = (subcommand ?? command).flags.map((flag) => flag.name);
  return given.filter((word) => word.startsWith('--') && !known.includes(word));
}

function markdownFiles(): string[] {
  const below = (folder: string) =>
    readdirSync(join(PACKAGE_ROOT, folder))
      .filter((file) => file.endsWith('.md'))
      .map((file) => join(folder, file));
  return [...below('.'), ...below('docs')];
}
