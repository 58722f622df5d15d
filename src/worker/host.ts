/**
 * The worker host as a value: a Python process that forks a child for each task, or for several together
 * (py/host.py). python-shell is the transport: task lines in on stdin, events out on fd 3, both other streams into
 * the host's log.
 *
 * Its exit, and not the end of fd 3, which a child can hold open, settles what was still running.
 */
import { closeSync, existsSync, fstatSync, openSync, readSync, renameSync, rmSync } from 'node:fs';
import { join, parse } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { PythonShell } from 'python-shell';
import { MachineError } from '../errors/errors.ts';
import type { WorkerEvent } from '../spec/event.ts';
import type { Task } from '../spec/task.ts';
import { judgeTask, type TaskOutcome, type TaskTrace } from './outcome.ts';
import { EventReader } from './reader.ts';
import { signalGroup, stopGroup } from './stop.ts';

/** Importing torch from a cold disk took 20 s at worst; a host that says nothing for this long never will. */
const HELLO_TIMEOUT_MS = 120_000;
/** What the host itself needs to end its tasks and go, once its stdin is closed. */
const LEAVE_MS = 5_000;
const LOG_TAIL_LINES = 20;
const LOG_TAIL_BYTES = 65_536;

export type Hello = Extract<WorkerEvent, { type: 'hello' }>;

export interface HostSettings {
  /** Interpreter to run it with. */
  readonly python: string;
  readonly packageRoot: string;
  /** Where its log begins; `moveLog` may move it. */
  readonly hostLogPath: string;
  readonly env: NodeJS.ProcessEnv;
  /** The host's script; py/host.py unless a test has another. */
  readonly script?: string;
  readonly helloTimeoutMs?: number;
  onEvent(event: WorkerEvent): void;
  /** A line that is no event. */
  onForeign(line: string): void;
}

/** A task that has ended in whatever way. */
export interface Ended {
  readonly task: Task;
  readonly outcome: TaskOutcome;
}

interface RunningTask {
  readonly logPath: string | undefined;
  trace: Omit<TaskTrace, 'logTail'>;
  pgid?: number;
  settle(outcome: TaskOutcome): void;
}

export class WorkerHost {
  state: 'starting' | 'ready' | 'stopping' | 'stopped' = 'starting';
  readonly #settings: HostSettings;
  readonly #reader = new EventReader();
  readonly #tasks = new Map<string, RunningTask>();
  #logPath: string;
  #stdin: Writable | undefined;
  #pid: number | undefined;
  #exited: Promise<void> = Promise.resolve();
  #hello: { resolve(hello: Hello): void; reject(error: Error): void } | undefined;

  constructor(settings: HostSettings) {
    this.#settings = settings;
    this.#logPath = settings.hostLogPath;
  }

  /** Starts the process and waits until it is ready for tasks. Rejects with what its log says when it is not. */
  async start(): Promise<Hello> {
    const timeoutMs = this.#settings.helloTimeoutMs ?? HELLO_TIMEOUT_MS;
    const hello = new Promise<Hello>((resolve, reject) => {
      this.#hello = { resolve, reject };
    });
    this.#spawn();
    const timer = setTimeout(() => {
      this.#hello?.reject(this.#notStarted('host_silent', `said nothing for ${timeoutMs / 1000} s`));
      this.kill();
    }, timeoutMs);
    try {
      const event = await hello;
      if (this.state === 'starting') this.state = 'ready';
      return event;
    } finally {
      clearTimeout(timer);
      this.#hello = undefined;
    }
  }

  /** Hands a task over; resolves, and never rejects, when it has ended in whatever way. */
  async run(task: Task): Promise<TaskOutcome> {
    const ended = this.#ended(task);
    this.#handOver({ v: 1, cmd: 'task', task }, [task]);
    return (await ended).outcome;
  }

  /** Hands several over, to be carried out in one process. */
  runTogether(tasks: readonly Task[]): Promise<readonly Ended[]> {
    const ended = Promise.all(tasks.map((task) => this.#ended(task)));
    this.#handOver({ v: 1, cmd: 'tasks', tasks }, tasks);
    return ended;
  }

  #ended(task: Task): Promise<Ended> {
    return new Promise((resolve) => {
      this.#tasks.set(task.id, {
        logPath: task.log_path,
        trace: { done: false, cancelAsked: false },
        settle: (outcome) => resolve({ task, outcome }),
      });
    });
  }

  #handOver(command: object, tasks: readonly Task[]): void {
    if (this.state === 'ready') this.#send(command);
    else for (const { id } of tasks) this.#settle(id);
  }

  /** SIGINT now, SIGTERM after the grace, SIGKILL two seconds later: the host does it. */
  cancel(taskId: string, graceS: number): void {
    const task = this.#tasks.get(taskId);
    if (task === undefined) return;
    task.trace = { ...task.trace, cancelAsked: true };
    this.#send({ v: 1, cmd: 'cancel', task: taskId, grace_s: graceS });
  }

  /** Closes its stdin, upon which the host ends its tasks and itself, and waits until it has gone. */
  async stop(): Promise<void> {
    if (this.state === 'stopped') return;
    this.state = 'stopping';
    this.#stdin?.end();
    const timer = setTimeout(() => {
      if (this.#pid !== undefined) void stopGroup(this.#pid, { graceMs: 0 });
    }, LEAVE_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  /** Ends every task at once, and the host with them; one that does not hear it, by force. */
  kill(): void {
    for (const task of this.#tasks.values()) task.trace = { ...task.trace, cancelAsked: true };
    const isImporting = this.state === 'starting';
    void this.stop();
    if (isImporting && this.#pid !== undefined) signalGroup(this.#pid, 'SIGKILL');
  }

  /**
   * The same file under another name on the same disk; the process goes on writing to it. What lies there, the log of a
   * run that is gone on with, is kept: `host.1.log`.
   */
  moveLog(path: string): void {
    const { dir, name, ext } = parse(path);
    let earlier = path;
    for (let count = 1; existsSync(earlier); count += 1) earlier = join(dir, `${name}.${count}${ext}`);
    if (earlier !== path) renameSync(path, earlier);
    renameSync(this.#logPath, path);
    this.#logPath = path;
  }

  /** Ends a host that has no task, and leaves nothing of it. */
  async discard(): Promise<void> {
    // It may be importing, and would see the end of its stdin only afterwards.
    if (this.#pid !== undefined && this.state !== 'stopped') signalGroup(this.#pid, 'SIGKILL');
    await this.#exited;
    rmSync(this.#logPath, { force: true });
  }

  #spawn(): void {
    const { python, packageRoot, env } = this.#settings;
    const script = this.#settings.script ?? join(packageRoot, 'py', 'host.py');
    const log = openSync(this.#logPath, 'a');
    try {
      const shell = new PythonShell(script, {
        mode: 'text',
        pythonPath: python,
        pythonOptions: ['-u'],
        // Out of the terminal's foreground group: a Ctrl-C is for us, who tell the tasks.
        detached: true,
        stdio: ['pipe', log, log, 'pipe'],
        env: { ...env, OPENBLAS_NUM_THREADS: '1' },
      });
      const process = shell.childProcess;
      this.#pid = process.pid;
      this.#stdin = process.stdin ?? undefined;
      this.#stdin?.on('error', () => {}); // EPIPE: its exit says more
      const events = process.stdio[3] as Readable;
      events.on('data', (chunk: Buffer) => this.#read(chunk));
      events.on('error', () => {});
      this.#exited = new Promise((resolve) => {
        // python-shell hands the process's errors on as its own.
        shell.on('error', (error: Error) => {
          this.#gone(`could not be started: ${error.message}`);
          resolve();
        });
        process.on('exit', (code, signal) => {
          // What it wrote before it went is still in the socket; give it one turn to come out.
          setImmediate(() => {
            this.#gone(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`);
            resolve();
          });
        });
      });
    } finally {
      closeSync(log);
    }
  }

  #read(chunk: Buffer): void {
    this.#reader.append(chunk);
    for (let item = this.#reader.next(); item !== undefined; item = this.#reader.next()) {
      if ('foreign' in item) this.#settings.onForeign(item.foreign);
      else this.#receive(item);
    }
  }

  #receive(event: WorkerEvent): void {
    this.#settings.onEvent(event);
    if (event.type === 'hello') {
      this.#hello?.resolve(event);
      return;
    }
    const task = event.task === undefined ? undefined : this.#tasks.get(event.task);
    if (task === undefined) return;
    switch (event.type) {
      case 'started':
        task.pgid = event.pgid;
        break;
      case 'result':
        task.trace = { ...task.trace, result: event };
        break;
      case 'error':
        task.trace = { ...task.trace, error: event };
        break;
      case 'done':
        task.trace = { ...task.trace, done: true };
        break;
      case 'ended':
        task.trace = { ...task.trace, ended: event };
        this.#settle(event.task);
        break;
      case 'capability':
      case 'phase':
      case 'progress':
      case 'metric':
      case 'log':
      case 'artifact':
        break;
    }
  }

  #settle(taskId: string): void {
    const task = this.#tasks.get(taskId);
    if (task === undefined) return;
    this.#tasks.delete(taskId);
    task.settle(judgeTask({ ...task.trace, logTail: tailOf(task.logPath) }));
  }

  /** The process is no more: whatever it ran has failed, and is killed where the kernel did not do it. */
  #gone(how: string): void {
    if (this.state === 'stopped') return;
    this.state = 'stopped';
    this.#hello?.reject(this.#notStarted('host_failed', how));
    for (const [id, task] of this.#tasks) {
      if (task.pgid !== undefined) signalGroup(task.pgid, 'SIGKILL');
      this.#settle(id);
    }
  }

  #notStarted(code: string, how: string): MachineError {
    const tail = tailOf(this.#logPath);
    return new MachineError(
      code,
      `the worker host (${this.#settings.python}) ${how}${tail === '' ? '' : `:\n${tail}`}`,
      ['Make the environment anew: capstone setup'],
    );
  }

  #send(command: object): void {
    this.#stdin?.write(`${JSON.stringify(command)}\n`);
  }
}

/** Of a log of any length; empty where it cannot be read. */
function tailOf(path: string | undefined): string {
  if (path === undefined) return '';
  try {
    const file = openSync(path, 'r');
    try {
      const { size } = fstatSync(file);
      const end = Buffer.alloc(Math.min(size, LOG_TAIL_BYTES));
      const read = readSync(file, end, 0, end.length, size - end.length);
      return end.toString('utf8', 0, read).trimEnd().split('\n').slice(-LOG_TAIL_LINES).join('\n');
    } finally {
      closeSync(file);
    }
  } catch {
    return '';
  }
}
