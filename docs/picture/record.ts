/**
 * `npm run picture [run|tui]`: writes the pictures in docs/ anew, from what stood in a real terminal, tmux. Takes as long
 * as the jobs they show; wants a quiet machine.
 */
import process from 'node:process';
import { recordRun } from './record-run.ts';
import { recordTui } from './record-tui.ts';

const PICTURES: Readonly<Record<string, (root: string) => Promise<void>>> = {
  run: recordRun,
  tui: recordTui,
};

const wanted = process.argv.slice(2);
for (const name of wanted.length === 0 ? Object.keys(PICTURES) : wanted) {
  const record = PICTURES[name];
  if (record === undefined)
    throw new Error(`no picture ${name}: there are ${Object.keys(PICTURES).join(', ')}`);
  // npm starts scripts in the package root; this file itself is bundled elsewhere.
  await record(process.cwd());
}
