import { EXIT, UserError } from '../../errors/errors.ts';
import { runPaths } from '../../store/paths.ts';
import { appendRequest } from '../../store/requests.ts';
import { findRun } from '../../store/runs.ts';
import { defineCommand } from '../definition.ts';
import { PLACE_FLAGS, placeFrom } from '../place.ts';
import { findTask, RUN_ARGUMENT } from './arguments.ts';
import { readState } from './read-summary.ts';

export const retry = defineCommand({
  summary: 'Run a failed task again, in a run that still goes on',
  description: 'What was cancelled because it needed that task runs as well.',
  examples: ['capstone runs retry latest train-resnet18-cifar10-s1'],
  arguments: [
    RUN_ARGUMENT,
    { name: 'task', description: 'Id of a task, or a part that no other has.', required: true },
  ],
  flags: PLACE_FLAGS,
  async run(flags, args, io) {
    const { workspace } = placeFrom(flags, io);
    const id = findRun(workspace, args[0] ?? '');
    const { state, view } = readState(workspace, id);
    if (state !== 'running') {
      throw new UserError('run_not_running', `run ${id} is over (${state}): nobody would run the task`, [
        `Go on with all that is missing: capstone runs resume ${id}`,
      ]);
    }
    const task = findTask(view, args[1] ?? '');
    if (task.state !== 'failed' && task.state !== 'cancelled') {
      throw new UserError(
        'task_not_failed',
        `task ${task.id} has neither failed nor been cancelled: it is ${task.state.replaceAll('_', ' ')}`,
      );
    }
    appendRequest(runPaths(workspace, id).requests, {
      type: 'retry_task',
      task: task.id,
      ts: new Date().toISOString(),
    });
    io.stderr.write(`Asked run ${id} to run ${task.id} again.\n`);
    return EXIT.done;
  },
});
