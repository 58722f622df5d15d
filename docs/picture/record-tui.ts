/**
 * docs/tui-*.svg: the terminal UI, driven by its keys from an empty workspace: the quickstart is started and watched,
 * its rows are read, and a second job is put together and started.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bare, inTerminal, type Terminal } from './terminal.ts';
import { toSvg } from './terminal-svg.ts';

const SIZE = { columns: 100, rows: 30 };
/** Two runs need less. */
const HOME_SIZE = { columns: 100, rows: 24 };
/** Of four epochs; at least three make a curve. */
const MIDDLE = /> ● train.*█.* \d\d %.* left[\s\S]*test loss .* epoch 3/;

type Save = (screen: string, title: string, lines: readonly string[]) => void;

export async function recordTui(root: string): Promise<void> {
  const save: Save = (screen, title, lines) => {
    const svg = toSvg(`The terminal UI of capstone: ${title}`, [{ title, lines }], SIZE.columns);
    writeFileSync(join(root, 'docs', `tui-${screen}.svg`), svg);
  };
  await inTerminal(root, SIZE, async (terminal) => {
    await terminal.type('capstone');
    await terminal.press('Enter');
    await terminal.until(/No runs here yet/);
    await watchQuickstart(terminal, save);
    await readResults(terminal, save);
    await startAnother(terminal, save);
  });
}

async function watchQuickstart(terminal: Terminal, save: Save): Promise<void> {
  await terminal.press('Enter');
  await terminal.until(/> ● running +quickstart/);
  await terminal.press('Enter');
  save('run', 'a run in the middle of its training', await terminal.until(MIDDLE));
  await terminal.until(/✓ done {2}sweep quickstart/);
}

async function readResults(terminal: Terminal, save: Save): Promise<void> {
  await terminal.press('R');
  await terminal.until(/10 rows/);
  await terminal.press('j', 'Space', 'j', 'j');
  save('results', 'results as a table', await terminal.until(/◆ +1 +64 [\s\S]*\n> +2 +64 /));
  await terminal.press('v');
  await terminal.until(/compressed_latency_ms \(/);
  for (const measure of ['compressed_file_size', 'speedup', 'acc_drop', 'compressed_nonzero']) {
    await terminal.press('x');
    await terminal.until(new RegExp(`${measure} \\(`));
  }
  save('scatter', 'results as a scatter', await terminal.until(/no other row beats it/));
  await terminal.press('Escape');
  await terminal.until(/✓ done {2}sweep quickstart/);
  await terminal.press('Escape');
  await terminal.until(/> ✓ done +quickstart/);
}

async function startAnother(terminal: Terminal, save: Save): Promise<void> {
  await terminal.press('n');
  await terminal.until(/New job/);
  await fill(terminal, 'name', 'longer');
  await fill(terminal, 'levels', '1,3');
  await fill(terminal, 'epochs', '8');
  save('job', 'a new job', await terminal.until(/tasks ·[\s\S]*"epochs": 8/));
  await terminal.press('R');
  await terminal.until(/> ● running +longer/);
  await terminal.resize(HOME_SIZE);
  save('home', 'runs', await terminal.until(/^(?:.*\n){22}.* q quit$/));
}

/** A field of the form, which is so many rows below its first one. */
async function fill(terminal: Terminal, field: string, value: string): Promise<void> {
  await terminal.press('g');
  const form = bare(await terminal.until(/^> +kind /m)).split('\n');
  const rowOf = (label: string) =>
    form.findIndex((line) => line.slice(2).trimStart().startsWith(`${label} `));
  await terminal.press(...new Array<string>(rowOf(field) - rowOf('kind')).fill('j'));
  await terminal.until(new RegExp(`^> +${field} `, 'm'));
  await terminal.press('Enter', 'C-u');
  await terminal.type(value);
  await terminal.press('Enter');
  await terminal.until(new RegExp(`^> +${field} +${value}( |$)`, 'm'));
}
