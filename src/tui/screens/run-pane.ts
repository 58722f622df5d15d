/** Below the tasks of a run: what it says, or the log of a task. The end is followed, until one scrolls or searches. */
import { printable } from '../../results/printable.ts';
import type { TaskView } from '../../state/view.ts';
import type { Binding } from '../keymap.ts';
import { type Line, line, widthOf } from '../line.ts';
import type { Change, Model } from '../model.ts';

export interface PaneState {
  readonly pane: 'events' | 'log';
  /** The last line that is shown, counted from 0; null: whichever comes last. */
  readonly bottom: number | null;
  /** What is searched for; empty: nothing. */
  readonly find: string;
}

export const FOLLOWED: PaneState = { pane: 'events', bottom: null, find: '' };

const STEP = 10;

interface Pane {
  readonly title: string;
  readonly texts: readonly string[];
  /** Said where there are no lines. */
  readonly none: string;
}

/** Of a task that failed, the end of its log as it was then, unless the whole log is asked for. */
function paneOf({ pane }: PaneState, model: Model, task: TaskView | undefined): Pane {
  const none = 'nothing has been written to it';
  if (pane === 'log') {
    return { title: `log of ${task === undefined ? 'the host' : task.id}`, texts: model.log ?? [], none };
  }
  const end = task?.traceback ?? task?.failure?.log_tail ?? '';
  if (task !== undefined && end.trim() !== '') {
    return { title: `end of the log of ${task.id}`, texts: end.trimEnd().split('\n'), none };
  }
  const texts = (model.followed?.said ?? []).map(({ text }) => text);
  return { title: 'what the run says', texts, none: 'nothing yet' };
}

function has(text: string, find: string): boolean {
  return find !== '' && text.toLowerCase().includes(find.toLowerCase());
}

function scrolled(texts: readonly string[], bottom: number): number | null {
  return bottom >= texts.length - 1 ? null : Math.max(0, bottom);
}

/** Matches around the last line that is shown. */
function around(texts: readonly string[], { bottom, find }: PaneState): { before: number; after: number } {
  const at = bottom ?? texts.length - 1;
  return {
    before: texts.findLastIndex((text, index) => index < at && has(text, find)),
    after: texts.findIndex((text, index) => index > at && has(text, find)),
  };
}

/** Bindings of a screen that has a pane; `taskOf` says of which task it is. */
export function paneKeys<S extends PaneState>(
  taskOf: (state: S, model: Model) => TaskView | undefined,
  change: (state: S, pane: Partial<PaneState>) => Change,
): Binding<S>[] {
  const textsOf = (state: S, model: Model) => paneOf(state, model, taskOf(state, model)).texts;
  const scroll =
    (lines: number): Binding<S>['act'] =>
    (state, model) => {
      const texts = textsOf(state, model);
      return change(state, { bottom: scrolled(texts, (state.bottom ?? texts.length - 1) + lines) });
    };
  const jump =
    (where: 'before' | 'after'): Binding<S>['act'] =>
    (state, model) => {
      if (state.find === '') return { notice: { text: 'nothing is searched for: / does', tone: 'plain' } };
      const index = around(textsOf(state, model), state)[where];
      if (index !== -1) return change(state, { bottom: index });
      return { notice: { text: `no line ${where} this one has "${state.find}"`, tone: 'plain' } };
    };
  /** The newest match there is. */
  const searched = (state: S, find: string, model: Model): Change => {
    const texts = textsOf(state, model);
    const index = texts.findLastIndex((text) => has(text, find));
    return change(state, { find, bottom: index === -1 ? null : scrolled(texts, index) });
  };
  return [
    {
      keys: ['l', 'tab'],
      label: 'log',
      help: 'what the run says, or the log of the task',
      act: (state) => change(state, { pane: state.pane === 'events' ? 'log' : 'events', bottom: null }),
    },
    {
      keys: ['/'],
      label: 'search',
      help: 'search in the lines below; found lines begin with >',
      act: (state) => ({
        prompt: {
          kind: 'text',
          title: 'search',
          value: state.find,
          hint: 'a part of a line; n and N: the match before and after',
          typed: (find, model) => searched(state, find, model),
          done: (find, model) => searched(state, find, model),
          given: change(state, {}),
        },
      }),
    },
    { keys: ['n'], label: '', help: 'the match before or after', act: jump('before') },
    { keys: ['N'], label: '', help: 'the match before or after', act: jump('after') },
    { keys: ['['], label: '', help: 'ten lines back or on; at the end it follows', act: scroll(-STEP) },
    { keys: [']'], label: '', help: 'ten lines back or on; at the end it follows', act: scroll(STEP) },
  ];
}

export function drawPane(
  state: PaneState,
  model: Model,
  task: TaskView | undefined,
  columns: number,
  height: number,
): Line[] {
  if (height < 2) return [];
  const { title, texts, none } = paneOf(state, model, task);
  const room = height - 1;
  // Scrolled to the first lines, the pane is full all the same.
  const bottom = Math.min(texts.length - 1, Math.max(state.bottom ?? texts.length - 1, room - 1));
  const found = texts.filter((text) => has(text, state.find)).length;
  const about = [
    title,
    ...(state.bottom === null ? [] : [`line ${bottom + 1} of ${texts.length}`]),
    ...(state.find === '' ? [] : [`${found} with "${printable(state.find)}"`]),
  ].join(' · ');
  const mark = (text: string) => (state.find === '' ? '' : has(text, state.find) ? '> ' : '  ');
  return [
    [{ text: `─ ${about} ${'─'.repeat(Math.max(0, columns - widthOf(about) - 4))}`, tone: 'dim' }],
    ...(texts.length === 0
      ? [line(none, 'dim')]
      : texts
          .slice(Math.max(0, bottom + 1 - room), bottom + 1)
          .map((text) =>
            line(`${mark(text)}${printable(text)}`, has(text, state.find) ? 'accent' : 'plain'),
          )),
  ];
}
