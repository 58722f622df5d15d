import type { WorkerEvent } from '../spec/event.ts';
import type { Task } from '../spec/task.ts';
import { WorkerHost } from '../worker/host.ts';
import type { TaskOutcome } from '../worker/outcome.ts';
import type { Executor } from './executor.ts';

export interface LocalSettings {
  readonly python: string;
  readonly packageRoot: string;
  readonly hostLogPath: string;
  readonly env: NodeJS.ProcessEnv;
  onEvent(event: WorkerEvent): void;
  onForeign(line: string): void;
}

/** One worker host on this machine, started with the first task and again after it has gone. */
export class LocalExecutor implements Executor {
  #host: Promise<WorkerHost> | undefined;
  #live: WorkerHost | undefined;
  /** Tasks that wait for the host to be ready; whoever is taken out does not start. */
  readonly #early = new Set<string>();

  constructor(private readonly settings: LocalSettings) {}

  async run(task: Task): Promise<TaskOutcome> {
    this.#early.add(task.id);
    const host = await this.#readyHost();
    return this.#early.delete(task.id) ? host.run(task) : { status: 'cancelled' };
  }

  cancel(taskId: string, graceS: number): void {
    if (!this.#early.delete(taskId)) this.#live?.cancel(taskId, graceS);
  }

  kill(): void {
    this.#early.clear();
    this.#live?.kill();
  }

  async close(): Promise<void> {
    await this.#live?.stop();
  }

  /** Tasks that start side by side wait for the same host. */
  #readyHost(): Promise<WorkerHost> {
    if (this.#host !== undefined && this.#live?.state !== 'stopped') return this.#host;
    const host = new WorkerHost(this.settings);
    this.#live = host;
    this.#host = host.start().then(() => host);
    return this.#host;
  }
}
