import type { Task } from '../spec/task.ts';
import type { TaskOutcome } from '../worker/outcome.ts';

/** Takes tasks and gives back events (through the function it was made with) and outcomes. */
export interface Executor {
  run(task: Task): Promise<TaskOutcome>;
  /** Asks one task to stop at a safe point; after the grace it is stopped. */
  cancel(taskId: string, graceS: number): void;
  /** Ends every task at once. */
  kill(): void;
  /** Lets go of the workers; nothing runs any more. */
  close(): Promise<void>;
}
