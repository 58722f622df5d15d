/** What names content: SHA-256, and the one way to write a JSON value so that two languages digest the same. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import canonicalize from 'canonicalize';

/** In lower-case hex; text as UTF-8. */
export function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

/** Of a file's bytes, however many. Rejects as reading does. */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(chunk);
  return hash.digest('hex');
}

/** RFC 8785. Throws on what JSON cannot say: NaN, infinity, a lone surrogate, a cycle, undefined. */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError(`${typeof value} has no JSON`);
  return text;
}
