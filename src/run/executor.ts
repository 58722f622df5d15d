import type { Task } from '../spec/task.ts';
import type { TaskOutcome } from '../worker/outcome.ts';

export type OnEnded = (task: Task, outcome: TaskOutcome) => Promise<void>;

/** Takes tasks and gives back events (through the function it was made with) and outcomes. */
export interface Executor {
  /**
   * Until every task has ended; `onEnded` hears of each, and is waited for. Several are carried out in one process, as
   * one; where that fails, each is run again alone, since nobody knows whose fault it was. Rejects where there is no
   * worker.
   */
  run(tasks: readonly Task[], onEnded: OnEnded): Promise<void>;
  /** Asks one task to stop at a safe point; after the grace it is stopped. */
  cancel(taskId: string, graceS: number): void;
  /** Ends every task at once. */
  kill(): void;
  /** Lets go of the workers; nothing runs any more. */
  close(): Promise<void>;
}
