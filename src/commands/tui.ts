import { setFlagsFromString } from 'node:v8';
import { EXIT, UserError } from '../errors/errors.ts';
import { defineCommand } from './definition.ts';
import { PLACE_FLAGS, placeFrom } from './place.ts';
import { runActions } from './tui/act-on-runs.ts';
import { jobDesk } from './tui/job-desk.ts';
import { runsFromThread } from './tui/watch-in-thread.ts';

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
    // Events are garbage as soon as they are read. It is collected early: the memory is for what is trained.
    setFlagsFromString('--optimize-for-size');
    const { workspace, packageRoot } = placeFrom(flags, io);
    const place = { workspace, packageRoot, cwd, env: { ...env } };
    const { openTui } = await import('../tui/open.ts');
    const code = await openTui({
      source: runsFromThread(place),
      actions: runActions(place),
      desk: jobDesk(workspace, cwd),
      stdin,
      stdout,
      // The console of Linux has no braille.
      ascii: flags['--ascii'] === true || env['TERM'] === 'linux',
      color: (env['NO_COLOR'] ?? '') === '',
    });
    return code === 'interrupted' ? EXIT.cancelled : EXIT.done;
  },
});
