import { hostname } from 'node:os';
import { UserError } from '../../errors/errors.ts';
import { nearest } from '../../spec/nearest.ts';
import { taskOf } from '../../state/select.ts';
import type { RunView, TaskView } from '../../state/view.ts';
import type { LockOwner } from '../../store/lock.ts';
import { runPaths } from '../../store/paths.ts';
import type { Argument } from '../definition.ts';

export const RUN_ARGUMENT: Argument = {
  name: 'run',
  description: 'An id, the beginning of one, the name of a job that ran once, or latest.',
  required: true,
};

/** Of a process on another machine, or in a container that is gone, nobody here can see whether it lives. */
export function ifItIsGone(workspace: string, id: string, { pid, host }: LockOwner): string[] {
  if (host === hostname()) return [];
  return [
    `Process ${pid} on ${host} cannot be seen from here. If it is gone, remove ${runPaths(workspace, id).lock}`,
  ];
}

/** The task that is meant: an id, or any part of one that no other task has. */
export function findTask(view: RunView, name: string): TaskView {
  const exact = taskOf(view, name);
  if (exact !== undefined) return exact;
  const ids = view.tasks.map(({ id }) => id);
  const meant = view.tasks.filter(({ id }) => name !== '' && id.includes(name));
  const [only, second] = meant;
  if (only !== undefined && second === undefined) return only;
  if (only !== undefined) {
    const listed = meant.map(({ id }) => `\n  ${id}`).join('');
    throw new UserError('task_ambiguous', `"${name}" may be any of ${meant.length} tasks:${listed}`, [
      'Give more of the id.',
    ]);
  }
  const guess = nearest(name, ids);
  throw new UserError('task_unknown', `run ${view.id} has no task "${name}"`, [
    guess === undefined ? `See them all: capstone runs show ${view.id}` : `Did you mean "${guess}"?`,
  ]);
}
