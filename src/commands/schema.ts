import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { EXIT, UserError } from '../errors/errors.ts';
import { jsonSchemaText, SCHEMA_NAMES, type SchemaName } from '../spec/json-schema.ts';
import { nearest } from '../spec/nearest.ts';
import { writeText } from '../store/write.ts';
import { defineCommand } from './definition.ts';

export default defineCommand({
  summary: 'Print a JSON Schema',
  description: `Schemas: ${SCHEMA_NAMES.join(', ')}.`,
  examples: ['capstone schema job > job.schema.json'],
  arguments: [{ name: 'name', description: 'Which schema; default: job.', required: false }],
  flags: [{ name: '--write', value: 'FOLDER', description: 'Write all of them into a folder instead.' }],
  async run(flags, args, io) {
    const folder = flags['--write'];
    if (typeof folder === 'string') {
      mkdirSync(resolve(io.cwd, folder), { recursive: true });
      for (const name of SCHEMA_NAMES)
        writeText(join(resolve(io.cwd, folder), `${name}.schema.json`), jsonSchemaText(name));
      return EXIT.done;
    }
    io.stdout.write(jsonSchemaText(schemaName(args[0] ?? 'job')));
    return EXIT.done;
  },
});

function schemaName(text: string): SchemaName {
  const name = SCHEMA_NAMES.find((known) => known === text);
  if (name !== undefined) return name;
  const guess = nearest(text, SCHEMA_NAMES);
  throw new UserError('schema_unknown', `unknown schema "${text}"; known: ${SCHEMA_NAMES.join(', ')}`, [
    guess === undefined ? 'Name one of them.' : `Did you mean "${guess}"?`,
  ]);
}
