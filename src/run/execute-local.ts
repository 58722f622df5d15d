import type { WorkerEvent } from '../spec/event.ts';
import type { Task } from '../spec/task.ts';
import { type Ended, WorkerHost } from '../worker/host.ts';
import type { Executor } from './executor.ts';

export interface LocalSettings {
  readonly python: string;
  readonly packageRoot: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Who hears what the host says. */
export interface Listener {
  readonly hostLogPath: string;
  onEvent(event: WorkerEvent): void;
  onForeign(line: string): void;
}

/**
 * One worker host on this machine, started with the first task and again after it has gone; or ahead of its run, to
 * import torch while the plan is made.
 */
export class LocalExecutor implements Executor {
  #host: Promise<WorkerHost> | undefined;
  #live: WorkerHost | undefined;
  #listener: Listener | undefined;
  /** What the host said before anyone listened. */
  #unheard: ((listener: Listener) => void)[] = [];
  /** Tasks that wait for the host to be ready; whoever is taken out does not start. */
  readonly #early = new Set<string>();

  constructor(private readonly settings: LocalSettings) {}

  /** Starts the host before its run has a folder; its log lies at `logPath` until `listen`. */
  startAhead(logPath: string): void {
    // Whoever needs the host hears why it did not start.
    this.#startHost(logPath).catch(() => {});
  }

  /** The run begins: its folder takes the log, it hears what was said so far and what is said from now on. */
  listen(listener: Listener): void {
    this.#listener = listener;
    this.#live?.moveLog(listener.hostLogPath);
    for (const tell of this.#unheard.splice(0)) tell(listener);
  }

  /** Ends a host that nobody listens to, and removes its log; whether there was one. */
  async abandon(): Promise<boolean> {
    if (this.#listener !== undefined || this.#live === undefined) return false;
    await this.#live.discard();
    return true;
  }

  async run(tasks: readonly Task[]): Promise<readonly Ended[]> {
    for (const { id } of tasks) this.#early.add(id);
    const host = await this.#readyHost().catch((error: unknown) => {
      // Of a host that was ended while it started nobody wants to hear who asked for that.
      if (tasks.some(({ id }) => this.#early.has(id))) throw error;
    });
    const asked = tasks.filter(({ id }) => this.#early.delete(id));
    const ended = host === undefined ? [] : await handOver(host, asked);
    return tasks.map(
      (task) => ended.find((one) => one.task === task) ?? { task, outcome: { status: 'cancelled' } },
    );
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
    if (this.#listener === undefined) throw new Error('a task was run before anyone listened');
    return this.#startHost(this.#listener.hostLogPath);
  }

  #startHost(hostLogPath: string): Promise<WorkerHost> {
    const host = new WorkerHost({
      ...this.settings,
      hostLogPath,
      onEvent: (event) => this.#tell((listener) => listener.onEvent(event)),
      onForeign: (line) => this.#tell((listener) => listener.onForeign(line)),
    });
    this.#live = host;
    this.#host = host.start().then(() => host);
    return this.#host;
  }

  #tell(tell: (listener: Listener) => void): void {
    if (this.#listener === undefined) this.#unheard.push(tell);
    else tell(this.#listener);
  }
}

async function handOver(host: WorkerHost, tasks: readonly Task[]): Promise<readonly Ended[]> {
  if (tasks.length > 1) return host.runTogether(tasks);
  return Promise.all(tasks.map(async (task) => ({ task, outcome: await host.run(task) })));
}
