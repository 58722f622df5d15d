/** `npm run docs`: writes every generated page anew. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { pages } from './pages.ts';

// npm starts scripts in the package root; this file itself is bundled elsewhere.
const root = process.cwd();
for (const [file, text] of await pages(root)) writeFileSync(join(root, file), text);
