import type { PlannedTask } from '../plan/plan.ts';
import type { TaskOutcome } from '../worker/outcome.ts';

/** What the scheduler asks of the world; it decides only what runs when. */
export interface ScheduleActions {
  queued(task: PlannedTask): void;
  execute(task: PlannedTask): Promise<TaskOutcome>;
  /** A task that will not run, and why. */
  skipped(task: PlannedTask, because: string): void;
}

/**
 * Runs the tasks of a plan that are not up to date: each when everything it needs has succeeded, at most
 * `concurrency` at once, an exclusive one alone. A failure takes what needs it along and nothing else.
 */
export async function schedule(
  tasks: readonly PlannedTask[],
  concurrency: number,
  stopping: () => boolean,
  actions: ScheduleActions,
): Promise<Map<string, TaskOutcome>> {
  const outcomes = new Map<string, TaskOutcome>();
  const satisfied = new Set(tasks.filter((task) => task.upToDate).map((task) => task.task.id));
  const unmet = new Set<string>();
  const waiting = tasks.filter((task) => !task.upToDate);
  const running = new Map<string, { planned: PlannedTask; settled: Promise<void> }>();

  const start = (planned: PlannedTask) => {
    const { id } = planned.task;
    actions.queued(planned);
    const settled = actions.execute(planned).then((outcome) => {
      outcomes.set(id, outcome);
      (outcome.status === 'succeeded' ? satisfied : unmet).add(id);
      running.delete(id);
    });
    running.set(id, { planned, settled });
  };
  const skip = (planned: PlannedTask, because: string) => {
    unmet.add(planned.task.id);
    actions.skipped(planned, because);
  };

  while (waiting.length > 0 || running.size > 0) {
    for (const planned of [...waiting]) {
      const missing = planned.needs.find((need) => unmet.has(need));
      const ready = planned.needs.every((need) => satisfied.has(need));
      const alone = [...running.values()].some((other) => other.planned.exclusive);
      const room = running.size < concurrency && !alone && (!planned.exclusive || running.size === 0);
      if (stopping()) skip(planned, 'the run was cancelled');
      else if (missing !== undefined) skip(planned, `it needs ${missing}, which did not succeed`);
      else if (ready && room) start(planned);
      else continue;
      waiting.splice(waiting.indexOf(planned), 1);
    }
    // What was skipped may have been the last: a race of nobody would never end.
    if (running.size > 0) await Promise.race([...running.values()].map((task) => task.settled));
  }
  return outcomes;
}
