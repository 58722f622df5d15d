/** docs/run.svg: the quickstart on a command line, in the middle of its training and at the end. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bare, inTerminal } from './terminal.ts';
import { toSvg } from './terminal-svg.ts';

/** All of the run fits. */
const SIZE = { columns: 120, rows: 50 };
/** Far enough into the training for an accuracy on test images, and at it. */
const MIDDLE = /test acc.*\n.*█.* [4-8]\d %.*\/s/;
/** The prompt stands alone again. */
const END = /\n\$$/;

export async function recordRun(root: string): Promise<void> {
  await inTerminal(root, SIZE, async (terminal) => {
    await terminal.type('capstone run --spec examples/quickstart.json');
    await terminal.press('Enter');
    const screens = [
      { title: 'in the middle of the training', lines: trimmed(await terminal.until(MIDDLE)) },
      { title: 'at the end', lines: trimmed(await terminal.until(END)) },
    ];
    const svg = toSvg('A run of capstone in a terminal', screens, SIZE.columns);
    writeFileSync(join(root, 'docs', 'run.svg'), svg);
  });
}

/** Without the prompt that waits below. */
function trimmed(lines: readonly string[]): string[] {
  const last = lines.findLastIndex((line) => !/^\$?\s*$/.test(bare([line])));
  return lines.slice(0, last + 1);
}
