/** The program in a real pseudo-terminal, as a person has it: keys in, a screen out. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import xterm from '@xterm/headless';
import { CLI, PACKAGE_ROOT, PYTHON } from './package.ts';
import { until } from './until.ts';

const { Terminal } = xterm;
const RELAY = join(PACKAGE_ROOT, 'test', 'fixtures', 'pty_relay.py');

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

export interface Ended {
  readonly exit_code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class TerminalSession {
  readonly #relay: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #screen: InstanceType<typeof Terminal>;
  #said = '';
  /** Everything that was written. */
  raw = '';

  constructor({ cwd, env, args = [], columns = 100, rows = 30, command }: TerminalOptions) {
    this.#screen = new Terminal({ cols: columns, rows, allowProposedApi: true });
    const words = command ?? [process.execPath, CLI, ...args];
    // As on a desk: with CI set, a program may think that nobody is there.
    const { CI: _ci, ...others } = env;
    this.#relay = spawn(PYTHON, [RELAY, String(columns), String(rows), ...words], {
      cwd,
      env: { CAPSTONE_PYTHON: PYTHON, ...others, TERM: 'xterm-256color' },
      stdio: 'pipe',
    });
    this.#relay.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.raw += text;
      this.#screen.write(text);
    });
    this.#relay.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text;
    });
    // It may have ended when it is told something.
    this.#relay.stdin.on('error', () => {});
  }

  /** Of the program itself, which its relay has started. */
  get pid(): number {
    const { pid } = this.#relay;
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
  }

  get ended(): Ended | undefined {
    const line = this.#said.match(/\{"exit_code".*\}/)?.[0];
    return line === undefined ? undefined : (JSON.parse(line) as Ended);
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
    this.#tell({ keys });
  }

  resize(columns: number, rows: number): void {
    this.#screen.resize(columns, rows);
    this.#tell({ size: [columns, rows] });
  }

  kill(signal: NodeJS.Signals): void {
    this.#tell({ signal: constants.signals[signal] });
  }

  /** As when its window is closed. */
  hangUp(): void {
    this.#relay.stdin.end();
  }

  #tell(what: object): void {
    this.#relay.stdin.write(`${JSON.stringify(what)}\n`);
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

  async end(): Promise<Ended> {
    return until(() => this.ended);
  }
}
