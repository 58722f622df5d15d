import { EXIT, UserError } from '../errors/errors.ts';
import type { RunSource, Stop } from '../tui/run-source.ts';
import { defineCommand } from './definition.ts';
import { PLACE_FLAGS, placeFrom } from './place.ts';
import { runActions } from './tui/act-on-runs.ts';
import { jobDesk } from './tui/job-desk.ts';

export default defineCommand({
  summary: 'Put jobs together, watch runs and read results in the terminal',
  description: `The same as capstone alone on a terminal. Every run is a process of its own and goes on when this is closed; what is
shown is read from the folders of the runs. All keys: ?`,
  examples: ['capstone tui', 'capstone tui --ascii'],
  flags: [
    { name: '--ascii', description: 'Draw with the characters of ASCII alone, for fonts without others.' },
    ...PLACE_FLAGS,
  ],
  async run(flags, _args, io) {
    const { stdin, stdout, env, cwd } = io;
    if (!stdin.isTTY || !stdout.isTTY || env['TERM'] === 'dumb') {
      throw new UserError(
        'terminal_missing',
        'the terminal UI needs a terminal for its input and its output',
        ['See the runs without one: capstone runs'],
      );
    }
    const { workspace, packageRoot } = placeFrom(flags, io);
    const place = { workspace, packageRoot, cwd, env: { ...env } };
    // Read when ink is imported: it knows FORCE_COLOR alone, and draws no more than its last frame where it sees CI.
    if ((env['NO_COLOR'] ?? '') !== '') env['FORCE_COLOR'] = '0';
    delete env['CI'];
    const { openTui } = await import('../tui/open.tsx');
    const code = await openTui({
      source: whenLoaded(import('./tui/watch-runs.ts').then((module) => module.runSource(workspace))),
      actions: runActions(place),
      desk: jobDesk(workspace, cwd),
      stdin,
      stdout,
      // The console of Linux has no braille.
      ascii: flags['--ascii'] === true || env['TERM'] === 'linux',
    });
    return code === 'interrupted' ? EXIT.cancelled : EXIT.done;
  },
});

/** The first frame does not wait for what reads the runs: the schemas of all events are a fifth of the start. */
function whenLoaded(loading: Promise<RunSource>): RunSource {
  const later = (start: (source: RunSource) => Stop): Stop => {
    let isStopped = false;
    let stop: Stop = () => {};
    void loading.then((source) => {
      if (!isStopped) stop = start(source);
    });
    return () => {
      isStopped = true;
      stop();
    };
  };
  return {
    list: (onRuns) => later((source) => source.list(onRuns)),
    follow: (run, onRun) => later((source) => source.follow(run, onRun)),
    log: (run, task, onLines) => later((source) => source.log(run, task, onLines)),
    rows: (run, onRows) => later((source) => source.rows(run, onRows)),
  };
}
