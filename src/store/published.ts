/**
 * The data sets whose files torchvision names by URL and MD5. A plan is made before they are downloaded, so the
 * digest follows from what is published. The constants, and both languages' rules, are in
 * py/capstone_worker/data/published.json and published.py.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { sha256 } from '../digest.ts';

const Md5s = z.record(z.string(), z.string().regex(/^[0-9a-f]{32}$/));

const Published = z.object({
  archive: z.string(),
  archive_bytes: z.number(),
  /** The folder in the archive that holds the files below. */
  folder: z.string(),
  train: Md5s,
  test: Md5s,
  meta: Md5s,
});
export type Published = z.infer<typeof Published>;

export function readPublished(packageRoot: string): ReadonlyMap<string, Published> {
  const file = join(packageRoot, 'py', 'capstone_worker', 'data', 'published.json');
  const all = z.record(z.string(), Published).parse(JSON.parse(readFileSync(file, 'utf8')));
  return new Map(Object.entries(all));
}

/** Names in the folder that must be there, and their MD5s. */
export function publishedFiles({ train, test, meta }: Published): ReadonlyMap<string, string> {
  return new Map(Object.entries({ ...train, ...test, ...meta }));
}

/** SHA-256 that stands for the content. */
export function publishedDigest(published: Published): string {
  const lines = [...publishedFiles(published)].map(([file, md5]) => `${published.folder}/${file}\0${md5}\n`);
  return sha256(lines.sort().join(''));
}
