/**
 * Every generated page by its path from the package root; the READMEs with their results filled in, and the page of the
 * terminal UI with its keys.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMMANDS } from '../../src/cli/main.ts';
import { jobDesk } from '../../src/commands/tui/job-desk.ts';
import { jsonSchema, type SchemaName } from '../../src/spec/json-schema.ts';
import { cliPage, type NamedCommand } from './cli-page.ts';
import { eventsPage } from './events-page.ts';
import { withKeys } from './keys-block.ts';
import type { Property } from './property.ts';
import { ENGLISH, KOREAN, type Words, withResults } from './results-block.ts';
import { rowsPage } from './rows-page.ts';
import { type Example, specPage } from './spec-page.ts';

const READMES: Readonly<Record<string, Words>> = { 'README.md': ENGLISH, 'README.ko.md': KOREAN };

export async function pages(root: string): Promise<Map<string, string>> {
  const schema = (name: SchemaName) => jsonSchema(name) as Property;
  const csv = join(root, 'benchmark_levels.csv');
  const rows = existsSync(csv) ? readFileSync(csv, 'utf8') : '';
  return new Map([
    ['docs/cli.md', cliPage(await loadCommands())],
    ['docs/spec.md', specPage(schema('job'), schema('recipe'), examples(root))],
    ['docs/rows.md', rowsPage(schema('row'))],
    ['docs/events.md', eventsPage(schema('event'))],
    ['docs/tui.md', withKeys(readFileSync(join(root, 'docs/tui.md'), 'utf8'), jobDesk(root, root))],
    ...Object.entries(READMES).map(([file, words]): [string, string] => [
      file,
      withResults(readFileSync(join(root, file), 'utf8'), rows, words),
    ]),
  ]);
}

export async function loadCommands(): Promise<NamedCommand[]> {
  return Promise.all(
    Object.entries(COMMANDS).map(
      async ([name, { load }]): Promise<NamedCommand> => [name, (await load()).default],
    ),
  );
}

function examples(root: string): Example[] {
  const folder = join(root, 'examples');
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => ({ file: `../examples/${file}`, text: readFileSync(join(folder, file), 'utf8') }));
}
