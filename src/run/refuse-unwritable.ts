import { join } from 'node:path';
import type { Plan } from '../plan/planned.ts';
import type { Task } from '../spec/task.ts';
import { workspacePaths } from '../store/paths.ts';
import { refuseUnwritable } from '../store/writable.ts';

/** Every place that a run of this plan writes to; that a disk is nearly full shows only in writing. */
export function refuseUnwritablePlaces({ tasks }: Plan, workspace: string): void {
  const { runs, rows } = workspacePaths(workspace);
  const pending = tasks.filter(({ upToDate }) => !upToDate).flatMap(({ task }) => writes(task, rows));
  for (const path of new Set([...pending, join(runs, 'run')])) refuseUnwritable(path);
}

function writes(task: Task, rows: string): string[] {
  switch (task.kind) {
    case 'train':
      return [task.paths.output, task.paths.partial];
    case 'compress':
      return [task.paths.output];
    case 'benchmark':
      return [rows];
  }
}
