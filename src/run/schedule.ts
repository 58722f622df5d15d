import type { PlannedTask } from '../plan/planned.ts';
import type { Ended } from '../worker/host.ts';
import type { TaskOutcome } from '../worker/outcome.ts';

const ASKED_AGAIN = 'it was asked for again';

/** What the scheduler asks of the world; it decides only what runs when. */
export interface ScheduleActions {
  /** Everything the task needs is there. */
  queued(task: PlannedTask): void;
  /** One, or several that run as one, to their ends. */
  execute(tasks: readonly PlannedTask[]): Promise<readonly Ended[]>;
  /** How a task ended, for good. */
  ended(task: PlannedTask, outcome: TaskOutcome): void;
  /** A task that will not run, and why. */
  skipped(task: PlannedTask, because: string): void;
  /** A task that had ended waits again, and why. */
  retried(task: PlannedTask, because: string): void;
}

/** How many tasks run side by side. */
export interface Room {
  /** Of any kind but exclusive ones. */
  readonly concurrency: number;
  /** Of light ones, where nothing else runs. */
  readonly light: number;
  /** How many may run together with this one, it included. */
  together(task: PlannedTask): number;
}

/**
 * Runs the tasks of a plan that are not up to date: each when everything it needs has succeeded, at most
 * `concurrency` at once, more where all are light, an exclusive one alone but for those that it runs together with. A
 * failure takes what needs it along and nothing else: of those that ran together each runs again alone, since nobody
 * knows whose fault it was. While tasks run, others may be asked for again or cancelled.
 */
export class Schedule {
  readonly #tasks: readonly PlannedTask[];
  readonly #room: Room;
  readonly #actions: ScheduleActions;
  readonly #waiting: Set<PlannedTask>;
  readonly #queued = new Set<PlannedTask>();
  readonly #running = new Set<PlannedTask>();
  readonly #satisfied: Set<string>;
  readonly #unmet = new Set<string>();
  /** Skipped for want of another, and for nothing else. */
  readonly #lacking = new Set<PlannedTask>();
  /** They failed together with others. */
  readonly #alone = new Set<PlannedTask>();
  readonly #outcomes = new Map<string, TaskOutcome>();
  #stopping = false;
  #broken: { readonly error: unknown } | undefined;
  #wake = () => {};

  constructor(tasks: readonly PlannedTask[], room: Room, actions: ScheduleActions) {
    this.#tasks = tasks;
    this.#room = room;
    this.#actions = actions;
    this.#waiting = new Set(tasks.filter(({ upToDate }) => !upToDate));
    this.#satisfied = new Set(tasks.filter(({ upToDate }) => upToDate).map(({ task }) => task.id));
  }

  /**
   * Until nothing runs and nothing can; how each task that ran has ended, at its last attempt. Throws what an action
   * threw: a run that cannot be recorded does not go on.
   */
  async run(): Promise<ReadonlyMap<string, TaskOutcome>> {
    for (;;) {
      // Before looking: a change that comes while tasks are started wakes as well.
      const changed = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#advance();
      if (this.#broken !== undefined) throw this.#broken.error;
      if (this.#running.size === 0) return this.#outcomes;
      await changed;
    }
  }

  /** No task starts any more. */
  stop(): void {
    this.#stopping = true;
    this.#wake();
  }

  /** Ends the run with an error of ours. */
  fail(error: unknown): void {
    this.#broken ??= { error };
    this.#wake();
  }

  /** A task that has not started will not; one that runs is the executor's to stop. */
  cancel(id: string): void {
    const planned = this.#find(id);
    if (planned === undefined || !this.#waiting.has(planned)) return;
    this.#skip(planned, 'it was asked not to run');
    this.#wake();
  }

  /** A task that failed or was cancelled runs again, and what was cancelled for want of it waits again. */
  retry(id: string): void {
    const planned = this.#find(id);
    if (planned === undefined || this.#stopping || !this.#unmet.has(id)) return;
    this.#await(planned, ASKED_AGAIN);
    for (let grew = true; grew; ) {
      grew = false;
      for (const other of this.#tasks) {
        const mayHope = other.needs.some((need) => this.#isWaiting(need));
        if (!mayHope || !this.#lacking.has(other)) continue;
        this.#await(other, ASKED_AGAIN);
        grew = true;
      }
    }
    this.#wake();
  }

  #advance(): void {
    for (const planned of this.#tasks.filter((task) => this.#waiting.has(task))) {
      const missing = planned.needs.find((need) => this.#unmet.has(need));
      if (this.#stopping) this.#skip(planned, 'the run was cancelled');
      else if (missing !== undefined) {
        this.#lacking.add(planned);
        this.#skip(planned, `it needs ${missing}, which did not succeed`);
      } else if (this.#isReady(planned) && !this.#queued.has(planned)) {
        this.#queued.add(planned);
        this.#actions.queued(planned);
      }
    }
    for (const planned of this.#tasks) {
      if (this.#isReady(planned) && this.#hasRoomFor(planned)) this.#start(this.#togetherWith(planned));
    }
  }

  /** Waits for nothing but room. */
  #isReady(planned: PlannedTask): boolean {
    return this.#waiting.has(planned) && planned.needs.every((need) => this.#satisfied.has(need));
  }

  #togetherWith(planned: PlannedTask): readonly PlannedTask[] {
    if (planned.together === undefined || this.#alone.has(planned)) return [planned];
    return this.#tasks
      .filter(
        (other) => other.together === planned.together && !this.#alone.has(other) && this.#isReady(other),
      )
      .slice(0, this.#room.together(planned));
  }

  #start(together: readonly PlannedTask[]): void {
    for (const planned of together) {
      this.#waiting.delete(planned);
      this.#running.add(planned);
    }
    this.#actions
      .execute(together)
      .then((ended) => {
        for (const { task, outcome } of ended) this.#ended(task.id, outcome, together.length > 1);
      })
      .catch((error: unknown) => this.fail(error));
  }

  #hasRoomFor(planned: PlannedTask): boolean {
    const running = [...this.#running];
    if (planned.exclusive) return running.length === 0;
    if (running.some(({ exclusive }) => exclusive)) return false;
    const allLight = planned.light && running.every(({ light }) => light);
    return (
      running.length <
      (allLight ? Math.max(this.#room.concurrency, this.#room.light) : this.#room.concurrency)
    );
  }

  #ended(id: string, outcome: TaskOutcome, inCompany: boolean): void {
    const planned = this.#find(id);
    if (planned === undefined) throw new Error(`${id} has ended and was never planned`);
    this.#running.delete(planned);
    if (inCompany && outcome.status === 'failed' && !this.#stopping) {
      this.#alone.add(planned);
      this.#await(planned, 'it failed together with others, and runs alone now');
    } else {
      this.#outcomes.set(id, outcome);
      (outcome.status === 'succeeded' ? this.#satisfied : this.#unmet).add(id);
      this.#actions.ended(planned, outcome);
    }
    this.#wake();
  }

  #skip(planned: PlannedTask, because: string): void {
    this.#waiting.delete(planned);
    this.#unmet.add(planned.task.id);
    this.#actions.skipped(planned, because);
  }

  #await(planned: PlannedTask, because: string): void {
    this.#unmet.delete(planned.task.id);
    this.#outcomes.delete(planned.task.id);
    this.#lacking.delete(planned);
    this.#queued.delete(planned);
    this.#waiting.add(planned);
    this.#actions.retried(planned, because);
  }

  #find(id: string): PlannedTask | undefined {
    return this.#tasks.find(({ task }) => task.id === id);
  }

  #isWaiting(id: string): boolean {
    return [...this.#waiting].some(({ task }) => task.id === id);
  }
}
