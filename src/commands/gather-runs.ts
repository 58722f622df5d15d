/** Which runs of a workspace are going on, and which were interrupted. */
import type { Facts } from '../python/facts.ts';
import { readRunEnds, runIds } from '../store/runs.ts';

export function gatherRuns(workspace: string): Facts['runs'] {
  const runs = runIds(workspace)
    .map((id) => ({ id, ...readRunEnds(workspace, id) }))
    .filter(({ first }) => first !== undefined)
    .reverse();
  const running = runs.filter(({ owner }) => owner?.alive === true);
  return {
    total: runs.length,
    running: running.map(({ id }) => id),
    interrupted: runs
      .filter((run) => !running.includes(run) && run.last?.type !== 'run_ended')
      .map(({ id }) => id),
  };
}
