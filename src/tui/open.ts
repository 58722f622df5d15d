/** Opens the UI on a terminal and closes it on every way out: quit, error, signal, crash. */
import process from 'node:process';
import { drawFrame } from './draw.ts';
import type { Keyboard } from './keys.tsx';
import type { QuitCode } from './model.ts';
import { painter } from './paint.ts';
import type { JobDesk, RunActions, RunSource } from './run-source.ts';
import { AlternateScreen } from './terminal.ts';
import { Ui } from './ui.ts';

export interface OpenOptions {
  readonly source: RunSource;
  readonly actions: RunActions;
  readonly desk: JobDesk;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly ascii: boolean;
  readonly color: boolean;
}

const DEADLY = ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT'] as const;

export async function openTui({
  source,
  actions,
  desk,
  stdin,
  stdout,
  ascii,
  color,
}: OpenOptions): Promise<QuitCode> {
  const screen = new AlternateScreen(stdout);
  let quit = (_code: QuitCode) => {};
  let fail = (_error: unknown) => {};
  const closed = new Promise<QuitCode>((resolve, reject) => {
    quit = resolve;
    fail = reject;
  });
  const restore = () => {
    if (stdin.isRaw) stdin.setRawMode(false);
    screen.leave();
  };
  const resume = () => {
    stdin.setRawMode(true);
    screen.enter();
  };
  const ui = new Ui({
    source,
    actions,
    desk,
    ascii,
    size: { columns: screen.columns, rows: screen.rows },
    now: Date.now,
    onQuit: quit,
    onSuspend() {
      restore();
      // The whole group, as the terminal would: a shell script or npm around us is stopped as well.
      process.kill(0, 'SIGTSTP');
      // Reached when somebody has sent SIGCONT; at once where there is no shell that could.
      setTimeout(resume, 0);
    },
    onRedraw: () => screen.redraw(),
  });
  screen.on('resize', () => ui.resize({ columns: screen.columns, rows: screen.rows }));
  const onDeadly = (signal: NodeJS.Signals) => {
    restore();
    release();
    // As everyone expects of a signal: whoever waits for us sees it.
    process.kill(process.pid, signal);
  };
  const onContinue = () => screen.redraw();
  const release = () => {
    for (const signal of DEADLY) process.off(signal, onDeadly);
    process.off('SIGCONT', onContinue);
    process.off('uncaughtExceptionMonitor', restore);
    process.off('exit', restore);
  };
  for (const signal of DEADLY) process.on(signal, onDeadly);
  process.on('SIGCONT', onContinue);
  process.on('uncaughtExceptionMonitor', restore);
  process.on('exit', restore);
  // The terminal has gone.
  stdin.once('end', () => quit('quit'));

  const paint = painter({ ascii, color });
  const show = () =>
    screen.show(() => {
      const { model, frame } = ui.seen();
      return paint(drawFrame(model, frame, desk));
    });
  ui.subscribe(show);
  // No key is echoed into the first frame; what is typed before Ink has been loaded is read then.
  stdin.setRawMode(true);
  screen.enter();
  show();
  let keyboard: Keyboard | undefined;
  try {
    const { listenToKeys } = await import('./keys.tsx');
    keyboard = listenToKeys(stdin, (name) => {
      screen.answer();
      ui.press(name);
    });
    keyboard.closed.then(() => quit('quit'), fail);
    return await closed;
  } finally {
    ui.close();
    keyboard?.close();
    restore();
    release();
    // What is typed from now on is for the shell; a pause ends nothing here, as Ink reads without flowing.
    stdin.destroy();
  }
}
