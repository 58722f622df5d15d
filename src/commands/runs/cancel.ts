import { EXIT, UserError } from '../../errors/errors.ts';
import type { TaskState } from '../../state/view.ts';
import { runPaths } from '../../store/paths.ts';
import { appendRequest } from '../../store/requests.ts';
import { findRun, readRunEnds } from '../../store/runs.ts';
import { defineCommand } from '../definition.ts';
import { PLACE_FLAGS, placeFrom } from '../place.ts';
import { findTask, ifItIsGone, RUN_ARGUMENT } from './arguments.ts';
import { readState } from './read-summary.ts';

const CANCELLABLE: readonly TaskState[] = ['planned', 'queued', 'running'];

export const cancel = defineCommand({
  summary: 'Ask a run, or one of its tasks, to stop at a safe point',
  examples: [
    'capstone runs cancel latest',
    'capstone runs cancel latest benchmark-resnet18-cifar10-s0-classic-l5',
  ],
  arguments: [
    RUN_ARGUMENT,
    {
      name: 'task',
      description: 'Id of a task, or a part that no other has; default: all of them.',
      required: false,
    },
  ],
  flags: PLACE_FLAGS,
  async run(flags, args, io) {
    const { workspace } = placeFrom(flags, io);
    const id = findRun(workspace, args[0] ?? '');
    const { state, view } = readState(workspace, id);
    if (state !== 'running') {
      throw new UserError('run_not_running', `run ${id} is not running: it is ${state}`, [
        ...(state === 'done' ? [] : [`Go on with it: capstone runs resume ${id}`]),
      ]);
    }
    const ts = new Date().toISOString();
    const { requests } = runPaths(workspace, id);
    if (args[1] === undefined) {
      appendRequest(requests, { type: 'cancel', ts });
      const { owner } = readRunEnds(workspace, id);
      const gone = owner === undefined ? [] : ifItIsGone(workspace, id, owner);
      io.stderr.write([`Asked run ${id} to stop; what it has done is kept.`, ...gone, ''].join('\n'));
      return EXIT.done;
    }
    const task = findTask(view, args[1]);
    if (!CANCELLABLE.includes(task.state)) {
      throw new UserError('task_over', `task ${task.id} is over: it ${OVER[task.state] ?? ''}`);
    }
    appendRequest(requests, { type: 'cancel_task', task: task.id, ts });
    io.stderr.write(`Asked task ${task.id} to stop; what needs it will not run.\n`);
    return EXIT.done;
  },
});

const OVER: Readonly<Partial<Record<TaskState, string>>> = {
  up_to_date: 'was up to date',
  succeeded: 'succeeded',
  failed: 'failed',
  cancelled: 'was cancelled',
};
