/**
 * The UI without a terminal: keys in, what is to be drawn out. It holds what it shows and nothing else: whatever it
 * asks for is done by its source and its actions, and goes on without it.
 */
import { type Ask, type Frame, type Model, type Notice, type QuitCode, top } from './model.ts';
import { apply, press } from './press.ts';
import type { JobDesk, Outcome, RunActions, RunSource, Stop } from './run-source.ts';
import { HOME } from './screens/home.ts';
import { chosenTask } from './screens/run.ts';

/** Ages and elapsed times move on. */
const TICK_MS = 1000;

export interface UiOptions {
  readonly source: RunSource;
  readonly actions: RunActions;
  readonly desk: JobDesk;
  readonly ascii: boolean;
  readonly size: { readonly columns: number; readonly rows: number };
  readonly now: () => number;
  onQuit(code: QuitCode): void;
  onSuspend(): void;
  onRedraw(): void;
}

export interface Seen {
  readonly model: Model;
  readonly frame: Frame;
}

/** Something listened to as long as it is shown. `of` says which it is. */
interface Subscription {
  of: string | null;
  stop: Stop;
}

const none = (): Subscription => ({ of: null, stop: () => {} });

export class Ui {
  readonly desk: JobDesk;
  readonly #options: UiOptions;
  readonly #listeners = new Set<() => void>();
  readonly #tick: NodeJS.Timeout;
  readonly #stopList: Stop;
  readonly #run = none();
  readonly #log = none();
  readonly #rows = none();
  readonly #outlook = none();
  #seen: Seen;

  constructor(options: UiOptions) {
    this.#options = options;
    this.desk = options.desk;
    this.#seen = {
      model: {
        screens: [HOME],
        prompt: null,
        helping: false,
        notice: null,
        started: [],
        runs: null,
        followed: null,
        log: null,
        rows: null,
        outlook: null,
      },
      frame: { ...options.size, ascii: options.ascii, now: options.now() },
    };
    this.#stopList = options.source.list((runs) => this.#know({ runs }));
    this.#tick = setInterval(() => this.#show({ ...this.#seen }), TICK_MS).unref();
  }

  readonly seen = (): Seen => this.#seen;

  readonly subscribe = (listener: () => void): Stop => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  press(key: string): void {
    const { model, ask } = press(this.#seen.model, key, this.desk);
    this.#show({ ...this.#seen, model });
    this.#listen();
    if (ask !== undefined) this.#do(ask);
  }

  resize(size: { readonly columns: number; readonly rows: number }): void {
    this.#show({ ...this.#seen, frame: { ...this.#seen.frame, ...size } });
  }

  close(): void {
    clearInterval(this.#tick);
    this.#stopList();
    for (const { stop } of [this.#run, this.#log, this.#rows, this.#outlook]) stop();
    this.#listeners.clear();
  }

  #show({ model, frame }: Seen): void {
    this.#seen = { model, frame: { ...frame, now: this.#options.now() } };
    for (const listener of this.#listeners) listener();
  }

  #know(known: Partial<Model>): void {
    this.#show({ ...this.#seen, model: { ...this.#seen.model, ...known } });
    // Which log is wanted follows from the task that runs.
    if (known.followed !== undefined) this.#listen();
  }

  #say(notice: Notice): void {
    this.#know({ notice });
  }

  /** Listens to what is shown and to nothing else. */
  #listen(): void {
    const { model } = this.#seen;
    const { source } = this.#options;
    const screen = top(model);
    const run = model.screens.findLast((below) => below.screen === 'run')?.run ?? null;
    this.#follow(this.#run, run, { followed: null }, (id) =>
      source.follow(id, (followed) => this.#know({ followed })),
    );
    const task = screen.screen === 'run' ? (chosenTask(screen, this.#seen.model)?.id ?? null) : null;
    const log = screen.screen === 'run' && screen.pane === 'log' ? JSON.stringify([screen.run, task]) : null;
    this.#follow(this.#log, log, { log: null }, () =>
      source.log(run ?? '', task, (lines) => this.#know({ log: lines })),
    );
    const rows = screen.screen === 'results' ? (screen.run ?? '') : null;
    this.#follow(this.#rows, rows, { rows: null }, (of) =>
      source.rows(of === '' ? null : of, (found) => this.#know({ rows: found })),
    );
    const job = screen.screen === 'job' && this.desk.draft(screen).problems.length === 0 ? screen : null;
    const asked = job === null ? null : JSON.stringify([job.kind, job.values]);
    this.#follow(this.#outlook, asked, { outlook: null }, () =>
      source.outlook({ kind: job?.kind ?? '', values: job?.values ?? {} }, (outlook) =>
        this.#know({ outlook }),
      ),
    );
  }

  #follow(
    subscription: Subscription,
    of: string | null,
    unknown: Partial<Model>,
    start: (of: string) => Stop,
  ): void {
    if (subscription.of === of) return;
    subscription.stop();
    subscription.of = of;
    subscription.stop = () => {};
    this.#show({ ...this.#seen, model: { ...this.#seen.model, ...unknown } });
    if (of !== null) subscription.stop = start(of);
  }

  #do(ask: Ask): void {
    const { actions } = this.#options;
    switch (ask.ask) {
      case 'quit':
        for (const run of ask.cancel) actions.cancel(run);
        this.#options.onQuit(ask.code);
        break;
      case 'suspend':
        this.#options.onSuspend();
        break;
      case 'redraw':
        this.#options.onRedraw();
        break;
      case 'start_quickstart':
        this.#await('starting the quickstart', actions.startQuickstart());
        break;
      case 'start':
        this.#await('starting the job', actions.start(ask.job));
        break;
      case 'resume':
        this.#await(`going on with ${ask.run}`, actions.resume(ask.run));
        break;
      case 'cancel':
        this.#told(actions.cancel(ask.run));
        break;
      case 'cancel_task':
        this.#told(actions.cancelTask(ask.run, ask.task));
        break;
      case 'retry_task':
        this.#told(actions.retryTask(ask.run, ask.task));
        break;
      case 'remove':
        this.#told(actions.remove(ask.run));
        break;
      case 'write':
        this.#told(actions.write(ask.path, ask.text));
        break;
    }
  }

  #told({ ok, said }: Outcome): void {
    this.#say({ text: said, tone: ok ? 'good' : 'bad' });
  }

  #await(meanwhile: string, started: Promise<Outcome>): void {
    this.#say({ text: `${meanwhile} …`, tone: 'plain' });
    const refused = (error: unknown): Outcome => ({
      ok: false,
      said: error instanceof Error ? error.message : String(error),
    });
    void started.catch(refused).then((outcome) => {
      this.#told(outcome);
      if (!outcome.ok || outcome.run === undefined) return;
      const { run } = outcome;
      const { model } = this.#seen;
      const isForm = top(model).screen === 'job';
      const { model: back } = apply(model, isForm ? { back: true } : {});
      const screens = back.screens.map((screen) =>
        screen.screen === 'home' ? { ...screen, filter: '', run } : screen,
      );
      this.#know({ screens, started: [...model.started, run] });
    });
  }
}
