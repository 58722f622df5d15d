/** A key pressed: the model after it, and what the outside is asked for. */
import { type Binding, bound, moved, typed } from './keymap.ts';
import {
  type Ask,
  type Change,
  type Model,
  type Prompt,
  type QuitCode,
  type ScreenState,
  top,
} from './model.ts';
import type { JobDesk } from './run-source.ts';
import { HOME_KEYS } from './screens/home.ts';
import { jobKeys } from './screens/job.ts';
import { RESULTS_KEYS } from './screens/results.ts';
import { RUN_KEYS } from './screens/run.ts';

type Table = readonly Binding<never>[];

/** Keys that do the same on every screen. */
export const EVERYWHERE: readonly Binding<ScreenState>[] = [
  { keys: ['esc'], label: '', help: 'back', act: () => ({ back: true }) },
  { keys: ['ctrl-l'], label: '', help: 'draw everything again', act: () => ({ ask: { ask: 'redraw' } }) },
  {
    keys: ['ctrl-z'],
    label: '',
    help: 'back to the shell; fg brings it back',
    act: () => ({ ask: { ask: 'suspend' } }),
  },
  { keys: ['ctrl-c'], label: '', help: 'quit', act: (_state, model) => quit(model, 'interrupted') },
  { keys: ['?'], label: 'help', help: 'all keys', act: () => ({ helping: true }) },
  { keys: ['q'], label: 'quit', help: 'quit; runs go on', act: (_state, model) => quit(model, 'quit') },
];

/** The tables that hold on a screen, its own first. */
export function tablesOf(screen: ScreenState, desk: JobDesk): readonly Table[] {
  return [ownKeys(screen, desk), EVERYWHERE as Table];
}

function ownKeys(screen: ScreenState, desk: JobDesk): Table {
  switch (screen.screen) {
    case 'home':
      return HOME_KEYS as Table;
    case 'run':
      return RUN_KEYS as Table;
    case 'results':
      return RESULTS_KEYS as Table;
    case 'job':
      return jobKeys(desk) as Table;
  }
}

/** Asks only where it makes a difference: runs that were started here and go on. */
function quit(model: Model, code: QuitCode): Change {
  const live = (model.runs ?? [])
    .filter(({ id, state }) => state === 'running' && model.started.includes(id))
    .map(({ id }) => id);
  if (live.length === 0) return { ask: { ask: 'quit', code, cancel: [] } };
  return { prompt: { kind: 'quit', live, code } };
}

export interface Pressed {
  readonly model: Model;
  readonly ask?: Ask;
}

export function press(model: Model, key: string, desk: JobDesk): Pressed {
  const clean: Model = model.notice === null ? model : { ...model, notice: null };
  if (clean.prompt !== null) return answered(clean, clean.prompt, key);
  if (clean.helping) return { model: { ...clean, helping: false } };
  const screen = top(clean);
  for (const table of tablesOf(screen, desk)) {
    const binding = bound(table as readonly Binding<ScreenState>[], key);
    if (binding !== undefined) return apply(clean, binding.act(screen, clean));
  }
  return { model: clean };
}

/** A change, made. Going back from the first screen leads nowhere. */
export function apply(model: Model, change: Change): Pressed {
  const { state, open, back, prompt, helping, notice, ask } = change;
  let { screens } = model;
  if (state !== undefined) screens = [...screens.slice(0, -1), state];
  if (back === true && screens.length > 1) screens = screens.slice(0, -1);
  if (open !== undefined) screens = [...screens, open];
  return {
    model: {
      ...model,
      screens,
      ...(prompt === undefined ? {} : { prompt }),
      ...(helping === undefined ? {} : { helping }),
      ...(notice === undefined ? {} : { notice }),
    },
    ...(ask === undefined ? {} : { ask }),
  };
}

function answered(model: Model, prompt: Prompt, key: string): Pressed {
  const closed: Model = { ...model, prompt: null };
  const givesUp = key === 'esc' || key === 'ctrl-c';
  switch (prompt.kind) {
    case 'confirm':
      if (key === 'y' || key === 'Y') return apply(closed, prompt.yes);
      return key === 'n' || key === 'N' || givesUp ? { model: closed } : { model };
    case 'quit': {
      const { live, code } = prompt;
      if (key === 'c') return apply(closed, { ask: { ask: 'quit', code, cancel: live } });
      if (key === 'l' || key === 'enter' || key === 'ctrl-c') {
        return apply(closed, { ask: { ask: 'quit', code, cancel: [] } });
      }
      return key === 'esc' || key === 'n' ? { model: closed } : { model };
    }
    case 'text': {
      if (givesUp) return apply(closed, prompt.given ?? {});
      if (key === 'enter') return apply(closed, prompt.done(prompt.value, closed));
      const value = edited(prompt.value, key);
      if (value === undefined) return { model };
      return apply({ ...model, prompt: { ...prompt, value } }, prompt.typed?.(value, model) ?? {});
    }
    case 'choose': {
      if (givesUp) return { model: closed };
      if (key === 'enter') return apply(closed, prompt.done(prompt.chosen, closed));
      const step = STEPS[key];
      if (step === undefined) return { model };
      const chosen = moved(step, prompt.chosen, prompt.options.length);
      return { model: { ...model, prompt: { ...prompt, chosen } } };
    }
  }
}

const STEPS: Readonly<Record<string, Parameters<typeof moved>[0]>> = {
  up: 'up',
  k: 'up',
  down: 'down',
  j: 'down',
  pageup: 'pageup',
  pagedown: 'pagedown',
  home: 'home',
  end: 'end',
};

function edited(value: string, key: string): string | undefined {
  if (key === 'backspace') return [...value].slice(0, -1).join('');
  if (key === 'ctrl-u') return '';
  if (key === 'ctrl-w') return value.trimEnd().replace(/\S+$/, '');
  const character = typed(key);
  return character === undefined ? undefined : value + character;
}
