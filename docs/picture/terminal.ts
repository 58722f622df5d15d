/**
 * A shell in a real terminal, tmux, as a person has it: keys in, a screen out. It stands in a workspace of its own, which
 * holds the examples, with `capstone` on its path and an empty cache.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

const POLL_MS = 200;
/** The longest that anything here takes is a training on a busy machine. */
const PATIENCE_MS = 15 * 60_000;
/** Runs outlive a terminal; a cancelled one stops at a safe point. */
const LAST_RUNS_MS = 60_000;
const PROMPT = '$ ';

export class Terminal {
  readonly #tmux: (...args: string[]) => Promise<string>;

  constructor(tmux: (...args: string[]) => Promise<string>) {
    this.#tmux = tmux;
  }

  /** Keys as tmux calls them: `j`, `Enter`, `C-u`. */
  async press(...keys: readonly string[]): Promise<void> {
    await this.#tmux('send-keys', '-t', 'picture', ...keys);
  }

  async type(text: string): Promise<void> {
    await this.#tmux('send-keys', '-t', 'picture', '-l', text);
  }

  async resize({ columns, rows }: Size): Promise<void> {
    await this.#tmux('resize-window', '-t', 'picture', '-x', `${columns}`, '-y', `${rows}`);
  }

  /** The lines that stand there once they match, with SGR sequences. Throws with what stands there instead. */
  async until(pattern: RegExp): Promise<string[]> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const lines = await this.#screen();
      if (pattern.test(bare(lines))) return lines;
      if (Date.now() > deadline) throw new Error(`${pattern} does not stand here:\n${bare(lines)}`);
      await sleep(POLL_MS);
    }
  }

  async #screen(): Promise<string[]> {
    const text = await this.#tmux('capture-pane', '-p', '-e', '-t', 'picture');
    return text.replace(/\s+$/, '').split('\n');
  }
}

/** Text without SGR sequences. */
export function bare(lines: readonly string[]): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is what a terminal is told
  return lines.join('\n').replace(/\u001b\[[0-9;]*m/g, '');
}

/** Terminal and workspace are gone afterwards, whatever comes of it, and so are runs that go on. */
export async function inTerminal(
  root: string,
  { columns, rows }: Size,
  act: (terminal: Terminal) => Promise<void>,
): Promise<void> {
  const workspace = mkdtempSync(join(tmpdir(), 'capstone-picture-'));
  const bin = join(workspace, 'bin');
  const env = {
    PATH: `${bin}:${process.env['PATH']}`,
    TERM: 'xterm-256color',
    XDG_CACHE_HOME: join(workspace, 'cache'),
    NO_COLOR: undefined,
    FORCE_COLOR: undefined,
  };
  const tmux = async (...args: string[]) => {
    const all = ['-f', '/dev/null', '-S', join(workspace, 'tmux'), ...args];
    return (await execa('tmux', all, { cwd: workspace, env })).stdout;
  };
  try {
    mkdirSync(bin);
    symlinkSync(join(root, 'dist', 'cli.js'), join(bin, 'capstone'));
    cpSync(join(root, 'examples'), join(workspace, 'examples'), { recursive: true });
    const size = ['-x', `${columns}`, '-y', `${rows}`];
    // A shell in between would take PS1 away.
    const shell = `exec env PS1='${PROMPT}' bash --norc --noprofile`;
    await tmux('new-session', '-d', '-s', 'picture', ...size, shell);
    await tmux('set-option', '-g', 'status', 'off');
    await act(new Terminal(tmux));
  } finally {
    await tmux('kill-server').catch(() => {});
    await endRuns(workspace, join(bin, 'capstone'));
    rmSync(workspace, { recursive: true, force: true });
  }
}

async function endRuns(workspace: string, capstone: string): Promise<void> {
  const runs = join(workspace, 'runs');
  const live = () =>
    existsSync(runs) ? readdirSync(runs).filter((id) => existsSync(join(runs, id, 'lock'))) : [];
  for (const id of live()) await execa(capstone, ['runs', 'cancel', id], { cwd: workspace, reject: false });
  const deadline = Date.now() + LAST_RUNS_MS;
  while (live().length > 0 && Date.now() < deadline) await sleep(POLL_MS);
}
