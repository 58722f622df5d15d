/**
 * The generated JSON Schemas (draft 7, which editors and Python's fastjsonschema read). Written to schema/ by
 * `npm run schema`; a test fails when the committed files are stale.
 */
import { z } from 'zod';
import { OrchestratorEvent, WorkerEvent } from './event.ts';
import { Job } from './job.ts';
import { Recipe } from './recipe.ts';
import { ModelRecord } from './record.ts';
import { Row } from './row.ts';
import { Task } from './task.ts';

const SCHEMAS = {
  job: Job,
  recipe: Recipe,
  task: Task,
  event: z.union([WorkerEvent, OrchestratorEvent]).meta({ title: 'capstone event' }),
  row: Row,
  record: ModelRecord,
} as const;
export type SchemaName = keyof typeof SCHEMAS;
export const SCHEMA_NAMES = Object.keys(SCHEMAS) as readonly SchemaName[];

export function jsonSchema(name: SchemaName): Record<string, unknown> {
  const schema = z.toJSONSchema(SCHEMAS[name], { target: 'draft-7', io: 'input' });
  const { $schema, ...rest } = schema as Record<string, unknown>;
  return {
    $schema,
    $comment: 'Generated from src/spec/ by `npm run schema`; do not edit.',
    ...rest,
  };
}

/** The file's whole text. */
export function jsonSchemaText(name: SchemaName): string {
  return `${JSON.stringify(jsonSchema(name), null, 2)}\n`;
}
