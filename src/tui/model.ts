/** All that the UI knows and shows. Keys and what comes in change it; drawing only reads it. */
import type { Row } from '../spec/row.ts';
import type { RunSummary } from '../state/summary.ts';
import type { FollowedRun, JobForm, JobOutlook } from './run-source.ts';
import type { HomeState } from './screens/home.ts';
import type { JobState } from './screens/job.ts';
import type { ResultsState } from './screens/results-state.ts';
import type { RunScreenState } from './screens/run.ts';

export type ScreenState = HomeState | RunScreenState | ResultsState | JobState;

export interface Model {
  /** The last one is on top. */
  readonly screens: readonly ScreenState[];
  readonly prompt: Prompt | null;
  readonly helping: boolean;
  readonly notice: Notice | null;
  /** Runs that this UI has started. */
  readonly started: readonly string[];
  /** Null: not read yet. So are the others. */
  readonly runs: readonly RunSummary[] | null;
  readonly followed: FollowedRun | null;
  readonly log: readonly string[] | null;
  readonly rows: readonly Row[] | null;
  readonly outlook: JobOutlook | null;
}

export interface Notice {
  readonly text: string;
  readonly tone: 'plain' | 'good' | 'bad';
}

/** What is waited for; no other key does anything meanwhile. */
export type Prompt =
  | { readonly kind: 'confirm'; readonly question: string; readonly yes: Change }
  /** `live` runs: started here and still going on. */
  | { readonly kind: 'quit'; readonly live: readonly string[]; readonly code: QuitCode }
  | {
      readonly kind: 'text';
      readonly title: string;
      readonly value: string;
      readonly hint: string;
      /** The hint says what is wrong with the value. */
      readonly isWrong?: boolean;
      /** Said as it is typed, where that changes what is seen. */
      typed?(value: string, model: Model): Change;
      done(value: string, model: Model): Change;
      /** What giving up brings back. */
      readonly given?: Change;
    }
  | {
      readonly kind: 'choose';
      readonly title: string;
      readonly options: readonly string[];
      readonly chosen: number;
      done(index: number, model: Model): Change;
    };

export type QuitCode = 'quit' | 'interrupted';

/** What the outside is asked for. */
export type Ask =
  | { readonly ask: 'quit'; readonly code: QuitCode; readonly cancel: readonly string[] }
  | { readonly ask: 'suspend' }
  | { readonly ask: 'redraw' }
  | { readonly ask: 'start_quickstart' }
  | { readonly ask: 'start'; readonly job: JobForm }
  | { readonly ask: 'resume'; readonly run: string }
  | { readonly ask: 'cancel'; readonly run: string }
  | { readonly ask: 'cancel_task'; readonly run: string; readonly task: string }
  | { readonly ask: 'retry_task'; readonly run: string; readonly task: string }
  | { readonly ask: 'remove'; readonly run: string }
  | { readonly ask: 'write'; readonly path: string; readonly text: string };

/** What comes of a key; whatever is left out stays as it is. */
export interface Change {
  /** Of the screen on top. */
  readonly state?: ScreenState;
  readonly open?: ScreenState;
  readonly back?: true;
  readonly prompt?: Prompt;
  readonly helping?: boolean;
  readonly notice?: Notice;
  readonly ask?: Ask;
}

/** Where frames are drawn. */
export interface Frame {
  readonly columns: number;
  readonly rows: number;
  readonly ascii: boolean;
  /** As `Date.now()`. */
  readonly now: number;
}

export function top(model: Model): ScreenState {
  const screen = model.screens.at(-1);
  if (screen === undefined) throw new Error('a UI without a screen');
  return screen;
}
