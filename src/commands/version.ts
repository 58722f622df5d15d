import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../python/package-root.ts';

export function version(root = packageRoot()): string {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  return version;
}
