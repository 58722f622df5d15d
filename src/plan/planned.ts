/** Tasks as the planner hands them over, each with the reason why it runs or need not. */
import type { Task } from '../spec/task.ts';

export interface PlannedTask {
  readonly task: Task;
  readonly label: string;
  readonly needs: readonly string[];
  /** Runs alone: a latency means nothing while another task computes. */
  readonly exclusive: boolean;
  /** Exclusive tasks of this name that are ready at the same time run in one process, as one. */
  readonly together?: string;
  /** Takes seconds on one CPU: several run side by side, whatever the job's `concurrency`. */
  readonly light: boolean;
  readonly upToDate: boolean;
  /** Why it runs, in words; for a task that is up to date, what is there. */
  readonly because: string;
}

export interface Plan {
  readonly tasks: readonly PlannedTask[];
}
