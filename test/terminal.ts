/** The program in a real pseudo-terminal, as a person has it: keys in, a screen out. */
import { Terminal } from '@xterm/headless';
import { type IPty, spawn } from 'node-pty';
import { CLI, PYTHON, until } from './rig.ts';

/** Python imports torch on a busy machine. */
const PATIENCE_MS = 60_000;

export interface TerminalOptions {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly args?: readonly string[];
  readonly columns?: number;
  readonly rows?: number;
  /** Instead of the program: a shell, say. */
  readonly command?: readonly [string, ...string[]];
}

export class TerminalSession {
  readonly #pty: IPty;
  readonly #screen: Terminal;
  /** Everything that was written. */
  raw = '';
  ended: { readonly exitCode: number; readonly signal?: number | undefined } | undefined;

  constructor({ cwd, env, args = [], columns = 100, rows = 30, command }: TerminalOptions) {
    this.#screen = new Terminal({ cols: columns, rows, allowProposedApi: true });
    const [program, ...words] = command ?? [process.execPath, CLI, ...args];
    this.#pty = spawn(program, words, {
      cwd,
      cols: columns,
      rows,
      name: 'xterm-256color',
      env: { ...env, TERM: 'xterm-256color', CAPSTONE_PYTHON: PYTHON },
    });
    this.#pty.onData((text) => {
      this.raw += text;
      this.#screen.write(text);
    });
    this.#pty.onExit((ended) => {
      this.ended = ended;
    });
  }

  get pid(): number {
    return this.#pty.pid;
  }

  /** What stands there now. */
  text(): string {
    const { active } = this.#screen.buffer;
    const lines = Array.from({ length: this.#screen.rows }, (_, row) =>
      active.getLine(active.viewportY + row)?.translateToString(true),
    );
    return lines.join('\n');
  }

  isAlternate(): boolean {
    return this.#screen.buffer.active.type === 'alternate';
  }

  press(keys: string): void {
    this.#pty.write(keys);
  }

  resize(columns: number, rows: number): void {
    this.#screen.resize(columns, rows);
    this.#pty.resize(columns, rows);
  }

  /** As when its window is closed. */
  hangUp(): void {
    this.#pty.kill('SIGHUP');
  }

  /** Throws with what stands there instead, once it has ended or that takes too long. */
  async shows(what: RegExp): Promise<string> {
    const deadline = Date.now() + PATIENCE_MS;
    return until(() => {
      const text = this.text();
      if (what.test(text)) return text;
      if (this.ended === undefined && Date.now() < deadline) return undefined;
      throw new Error(`${what} does not stand here:\n${text}`);
    });
  }

  async end(): Promise<{ exitCode: number; signal?: number | undefined }> {
    return until(() => this.ended);
  }
}
