import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The folder in which the program lives: found from this file, be it a source or a chunk in dist/. */
export function packageRoot(): string {
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).name === 'capstone') return folder;
  }
  throw new Error(`no package.json of capstone above ${import.meta.dirname}`);
}
