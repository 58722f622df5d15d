import type { Task } from '../spec/task.ts';
import type { Ended } from '../worker/host.ts';

/** Takes tasks and gives back events (through the function it was made with) and outcomes. */
export interface Executor {
  /** How each task ended; several are carried out in one process, as one. Rejects where there is no worker. */
  run(tasks: readonly Task[]): Promise<readonly Ended[]>;
  /** Asks one task to stop at a safe point; after the grace it is stopped, and what runs together with it. */
  cancel(taskId: string, graceS: number): void;
  /** Ends every task at once. */
  kill(): void;
  /** Lets go of the workers; nothing runs any more. */
  close(): Promise<void>;
}
