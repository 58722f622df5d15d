import { EXIT, UserError } from '../../errors/errors.ts';
import { clearCaches } from '../../store/cache.ts';
import { cacheRoot } from '../../store/paths.ts';
import { findRun, readRunEnds, removeRun, runIds } from '../../store/runs.ts';
import { formatBytes } from '../../units.ts';
import { ask, canAsk } from '../ask.ts';
import { defineCommand, type FlagValues, type Io } from '../definition.ts';
import { PLACE_FLAGS, placeFrom } from '../place.ts';
import { ifItIsGone, RUN_ARGUMENT } from './arguments.ts';

export const rm = defineCommand({
  summary: 'Remove runs with their logs, or caches; models and benchmark_levels.csv stay',
  examples: [
    'capstone runs rm 20261124T0345',
    'capstone runs rm --all-finished --yes',
    'capstone runs rm --cache',
  ],
  arguments: [{ ...RUN_ARGUMENT, required: false, several: true }],
  flags: [
    { name: '--all-finished', description: 'Every run that is not running, interrupted ones included.' },
    {
      name: '--cache',
      description: 'The caches, too, which all workspaces share; what is needed of them is made anew.',
    },
    { name: '--yes', description: 'Do not ask; without a terminal nothing is asked anyway.' },
    ...PLACE_FLAGS,
  ],
  async run(flags, args, io) {
    const { workspace } = placeFrom(flags, io);
    const ids = wanted(workspace, flags, args);
    const caches = flags['--cache'] === true ? cacheRoot(io.env) : undefined;
    const things = [...ids, ...(caches === undefined ? [] : [`the caches in ${caches}`])];
    if (flags['--yes'] !== true && things.length > 0 && !(await agrees(`Remove ${things.join(', ')}?`, io))) {
      io.stderr.write('Nothing was removed.\n');
      return EXIT.done;
    }
    for (const id of ids) removeRun(workspace, id);
    if (ids.length > 0 || caches === undefined) {
      io.stderr.write(`Removed ${ids.length} ${ids.length === 1 ? 'run' : 'runs'}.\n`);
    }
    if (caches !== undefined) io.stderr.write(`Freed ${formatBytes(clearCaches(caches))} of ${caches}.\n`);
    return EXIT.done;
  },
});

/** All of them may be removed, or none is. */
function wanted(workspace: string, flags: FlagValues, args: readonly string[]): string[] {
  const ownerOf = (id: string) => readRunEnds(workspace, id).owner;
  const isRunning = (id: string) => ownerOf(id)?.alive === true;
  if (flags['--all-finished'] === true) return runIds(workspace).filter((id) => !isRunning(id));
  if (args.length === 0 && flags['--cache'] === true) return [];
  if (args.length === 0) {
    throw new UserError('argument_missing', 'capstone runs rm needs the runs to remove', [
      'Name them, or give --all-finished, or --cache for the caches alone.',
    ]);
  }
  const ids = [...new Set(args.map((name) => findRun(workspace, name)))];
  const running = ids.find(isRunning);
  if (running !== undefined) {
    const owner = ownerOf(running);
    throw new UserError('run_running', `run ${running} is running`, [
      `Stop it first: capstone runs cancel ${running}`,
      ...(owner === undefined ? [] : ifItIsGone(workspace, running, owner)),
    ]);
  }
  return ids;
}

/** Asked of a person alone: no terminal, no question. */
async function agrees(question: string, io: Io): Promise<boolean> {
  return !canAsk(io) || /^y(es)?$/i.test(await ask(`${question} [y/N] `, io));
}
