/**
 * `npm run picture [SPEC]`: runs a job (examples/quickstart.json) in a real terminal, tmux, and writes docs/run.svg from
 * what stood there in the middle of the training and at the end. Takes as long as the job; wants a quiet machine.
 */
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { toSvg } from './terminal-svg.ts';

/** All of the run fits. */
const COLUMNS = 120;
const ROWS = 50;
const POLL_MS = 200;
/** Far enough into the training for an accuracy on test images, and at it. */
const MIDDLE = /test acc.*\n.*█.* [4-8]\d %.*\/s/;
const PROMPT = '$ ';

// npm starts scripts in the package root; this file itself is bundled elsewhere.
const root = process.cwd();
const spec = process.argv[2] ?? 'examples/quickstart.json';
const workspace = mkdtempSync(join(tmpdir(), 'capstone-picture-'));
const socket = join(workspace, 'tmux');
const tmux = async (...args: string[]) =>
  (await execa('tmux', ['-f', '/dev/null', '-S', socket, ...args])).stdout;
const screen = async () => {
  const text = await tmux('capture-pane', '-p', '-e', '-t', 'picture');
  return text.replace(/\s+$/, '').split('\n');
};
// biome-ignore lint/suspicious/noControlCharactersInRegex: this is what a terminal is told
const bare = (lines: readonly string[]) => lines.join('\n').replace(/\u001b\[[0-9;]*m/g, '');

try {
  mkdirSync(join(workspace, 'bin'));
  symlinkSync(join(root, 'dist', 'cli.js'), join(workspace, 'bin', 'capstone'));
  cpSync(join(root, 'examples'), join(workspace, 'examples'), { recursive: true });
  cpSync(join(root, spec), join(workspace, spec));
  await execa(
    'tmux',
    [
      '-f',
      '/dev/null',
      '-S',
      socket,
      'new-session',
      '-d',
      '-s',
      'picture',
      '-x',
      `${COLUMNS}`,
      '-y',
      `${ROWS}`,
      // A shell in between would take PS1 away.
      `exec env PS1='${PROMPT}' bash --norc --noprofile`,
    ],
    {
      cwd: workspace,
      env: { PATH: `${join(workspace, 'bin')}:${process.env['PATH']}`, TERM: 'xterm-256color' },
    },
  );
  await tmux('set-option', '-g', 'status', 'off');
  await tmux('send-keys', '-t', 'picture', `capstone run --spec ${spec}`, 'Enter');
  const middle = await until(MIDDLE);
  // The prompt stands alone again at the end.
  await until(/\n\$$/);
  const whole = await screen();
  writeFileSync(
    join(root, 'docs', 'run.svg'),
    toSvg(
      [
        { title: 'in the middle of the training', lines: trimmed(middle) },
        { title: 'at the end', lines: trimmed(whole) },
      ],
      COLUMNS,
    ),
  );
} finally {
  await tmux('kill-server').catch(() => {});
  rmSync(workspace, { recursive: true, force: true });
}

async function until(pattern: RegExp): Promise<string[]> {
  for (;;) {
    const lines = await screen();
    if (pattern.test(bare(lines))) return lines;
    await sleep(POLL_MS);
  }
}

/** Without the prompt that waits below. */
function trimmed(lines: readonly string[]): string[] {
  const last = lines.findLastIndex((line) => !/^\$?\s*$/.test(bare([line])));
  return lines.slice(0, last + 1);
}
