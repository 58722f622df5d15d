/**
 * What the terminal UI is handed: where runs are seen, what can be asked of them, and where jobs are written. It owns
 * none of it: a UI that closes stops nothing, and two of them see the same.
 */
import type { Row } from '../spec/row.ts';
import type { RunState, RunSummary } from '../state/summary.ts';
import type { RunView } from '../state/view.ts';

/** Ends a subscription; nothing is called after it. */
export type Stop = () => void;

/** What an event was worth saying. */
export interface Said {
  /** Null where the run or its host speaks. */
  readonly task: string | null;
  readonly text: string;
}

export interface FollowedRun {
  readonly view: RunView;
  readonly state: RunState;
  /** The last few hundred, oldest first. */
  readonly said: readonly Said[];
}

/** Each calls at once with what is there, then whenever that has changed, at most ten times a second. */
export interface RunSource {
  /** Newest first. */
  list(onRuns: (runs: readonly RunSummary[]) => void): Stop;
  follow(run: string, onRun: (run: FollowedRun) => void): Stop;
  /** The end of a task's log, or of the host's. */
  log(run: string, task: string | null, onLines: (lines: readonly string[]) => void): Stop;
  /** Of one run, or of the workspace. */
  rows(run: string | null, onRows: (rows: readonly Row[]) => void): Stop;
  /** What a valid job would come to here; once, some time later. */
  outlook(job: JobForm, onOutlook: (outlook: JobOutlook) => void): Stop;
}

export type JobOutlook =
  | {
      readonly tasks: number;
      readonly upToDate: number;
      /** Of those that would run, by what they took before; null where none ever ran. */
      readonly seconds: number | null;
      /** Would run, and never did before. */
      readonly untimed: number;
    }
  /** Why it would not start. */
  | { readonly refusal: string };

export type Outcome =
  | { readonly ok: true; readonly said: string /** Started by it. */; readonly run?: string }
  | { readonly ok: false; readonly said: string };

export interface RunActions {
  /** The example that needs nothing but the package. */
  startQuickstart(): Promise<Outcome>;
  start(job: JobForm): Promise<Outcome>;
  resume(run: string): Promise<Outcome>;
  cancel(run: string): Outcome;
  cancelTask(run: string, task: string): Outcome;
  /** Of a run that is going on. */
  retryTask(run: string, task: string): Outcome;
  remove(run: string): Outcome;
  /** Relative to where the program was started. */
  write(path: string, text: string): Outcome;
}

/** A job as a form holds it: what was typed, by flag. */
export interface JobForm {
  readonly kind: string;
  readonly values: Readonly<Record<string, string>>;
}

export interface JobField {
  readonly flag: string;
  readonly label: string;
  readonly description: string;
  /** Empty where there is none. */
  readonly default: string;
  readonly choices: readonly string[];
  /** Takes several, comma between them. */
  readonly several: boolean;
}

export interface JobDraft {
  /** The job file; what is default is left out. */
  readonly text: string;
  /** The command line that does the same. */
  readonly command: string;
  /** Empty: the job can run. */
  readonly problems: readonly { readonly flag: string | null; readonly message: string }[];
}

export interface JobTemplate {
  readonly job: JobForm;
  readonly lost: readonly string[];
}

/** Where jobs are put together: fields and checks come from the schemas of the specs. */
export interface JobDesk {
  readonly kinds: readonly string[];
  fields(kind: string): readonly JobField[];
  draft(job: JobForm): JobDraft;
  /** Text of a valid job for a file there: paths in it mean what they mean where the program was started. */
  textFor(job: JobForm, path: string): string;
  /** The job of a run; `lost`: keys that no field can hold. */
  template(run: string): JobTemplate | undefined;
  /** The job in a file, what it extends included; relative to where the program was started. */
  templateFile(path: string): JobTemplate | { readonly refusal: string };
}
