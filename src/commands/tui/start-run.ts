/**
 * `capstone run` as a process of its own, which outlives whoever started it: its own session, and its output in a file
 * that has no name any more. It is read here only to say why a run did not come to be.
 */
import { spawn } from 'node:child_process';
import { closeSync, fstatSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { stripVTControlCharacters } from 'node:util';
import { readRunEnds, runIds } from '../../store/runs.ts';
import type { Outcome } from '../../tui/run-source.ts';

const POLL_MS = 100;

export interface Start {
  readonly packageRoot: string;
  readonly workspace: string;
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** Of `capstone`: `run --spec FILE`, `run --resume RUN`. */
  readonly args: readonly string[];
  /** Known where a run is gone on with. */
  readonly run?: string;
}

/** Settles when the run has written its first event, or its process has ended without one. */
export async function startRun({ packageRoot, workspace, cwd, env, args, run }: Start): Promise<Outcome> {
  const output = namelessFile();
  const before = new Set(runIds(workspace));
  const seqBefore = run === undefined ? 0 : (readRunEnds(workspace, run).last?.run_seq ?? 0);
  const cli = join(packageRoot, 'dist', 'cli.js');
  const child = spawn(process.execPath, [cli, ...args, '--workspace', workspace], {
    cwd,
    env: { ...env, NO_COLOR: '1' },
    detached: true,
    stdio: ['ignore', output, output],
  });
  child.unref();
  let exitCode: number | null | undefined;
  child.once('exit', (code) => {
    exitCode = code;
  });
  child.once('error', () => {
    exitCode = null;
  });
  try {
    for (;;) {
      const ended = exitCode;
      const begun =
        run === undefined
          ? runIds(workspace).find((id) => !before.has(id) && startedBy(child.pid, workspace, id))
          : (readRunEnds(workspace, run).last?.run_seq ?? 0) > seqBefore
            ? run
            : undefined;
      if (begun !== undefined) return { ok: true, said: `started ${begun}`, run: begun };
      if (ended !== undefined) return { ok: ended === 0, said: lastSaid(output, ended) };
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  } finally {
    closeSync(output);
  }
}

function startedBy(pid: number | undefined, workspace: string, id: string): boolean {
  const { first } = readRunEnds(workspace, id);
  return first?.type === 'run_started' && first.pid === pid;
}

/** Open and gone from its folder: nobody has to remove it. */
function namelessFile(): number {
  const folder = mkdtempSync(join(tmpdir(), 'capstone-'));
  try {
    return openSync(join(folder, 'output'), 'w+');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The error and what to do, or the last line: that everything is up to date, for one. */
function lastSaid(output: number, exitCode: number | null): string {
  const bytes = Buffer.alloc(fstatSync(output).size);
  readSync(output, bytes, 0, bytes.length, 0);
  const lines = stripVTControlCharacters(bytes.toString('utf8'))
    .split('\n')
    .map((text) => text.trim())
    .filter((text) => text !== '');
  const error = lines.findIndex((text) => /^(error|bug): /.test(text));
  if (error !== -1) return lines.slice(error, error + 3).join(' ');
  const upToDate = lines.find((text) => text.startsWith('Everything is up to date'));
  return upToDate ?? lines.at(-1) ?? `capstone run ended with exit code ${exitCode}`;
}
