/**
 * `archive/capstone.json`, the record inside a model file of ours. Loose where other versions may add: unknown
 * keys are kept, so that an older program can still say whose file it is.
 */
import { z } from 'zod';
import { DataSourceKind, Digest, Level, Name, Seed } from './names.ts';
import { TaskModel } from './task.ts';

const channels = z.array(z.number()).min(1);

export const ModelRecord = z
  .looseObject({
    format: z.literal(1).meta({ description: 'Version of this record.' }),
    kind: z.enum(['checkpoint', 'artifact']),
    key: Digest.meta({ description: 'Key of the task that made the file.' }),
    model: TaskModel.extend({ family: Name, num_classes: z.number().int().min(2) }),
    dataset: z
      .strictObject({ name: Name, source: DataSourceKind.optional(), digest: Digest.optional() })
      .meta({ description: 'What it was trained on; of a foreign original only what the user calls it.' }),
    classes: z.array(z.string()).min(2).optional().meta({ description: 'Unknown of a foreign original.' }),
    normalisation: z
      .strictObject({ mean: channels, std: channels })
      .optional()
      .meta({ description: 'Unknown of a foreign original.' }),
    seed: Seed,
    threads: z.number().int().min(1),
    deterministic: z.boolean().meta({ description: 'Whether making it again gives the same bits.' }),
    parents: z
      .record(z.string(), z.strictObject({ key: Digest.nullable(), sha256: Digest }))
      .meta({ description: 'Files it was made from.' }),
    recipe: z
      .strictObject({ name: Name, level: Level, steps: z.array(z.looseObject({ step: z.string() })) })
      .optional(),
    weights: z
      .string()
      .optional()
      .meta({ description: 'File of published weights that its training started from.' }),
    code: z
      .looseObject({ function: z.string(), sha256: Digest })
      .optional()
      .meta({ description: 'What made a network that is not built in; nobody needs it to open the file.' }),
    train: z.looseObject({}).optional().meta({ description: 'Resolved training settings.' }),
    metrics: z.record(z.string(), z.number().nullable()).optional(),
    versions: z.record(z.string(), z.string()).meta({ description: 'Software that made it.' }),
    graph: z.looseObject({}).meta({ description: 'The network as data.' }),
  })
  .meta({ title: 'capstone model record' });
export type ModelRecord = z.infer<typeof ModelRecord>;
