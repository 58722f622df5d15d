/** Keys by name, and tables of what they do: dispatch, footer and help read the same one. */
import type { Key } from 'ink';
import { type Line, type Span, widthOf } from './line.ts';
import type { Change, Model } from './model.ts';

export interface Binding<S> {
  /** As `keyNames` calls them. */
  readonly keys: readonly string[];
  /** In the footer; empty: in the help alone. */
  readonly label: string;
  readonly help: string;
  act(state: S, model: Model): Change;
}

type Named = { readonly [K in keyof Key]?: string };
const SPECIAL: Named = {
  upArrow: 'up',
  downArrow: 'down',
  leftArrow: 'left',
  rightArrow: 'right',
  pageUp: 'pageup',
  pageDown: 'pagedown',
  home: 'home',
  end: 'end',
  return: 'enter',
  escape: 'esc',
  tab: 'tab',
  backspace: 'backspace',
  // What most terminals send for the key above Enter.
  delete: 'backspace',
};
const SHOWN: Readonly<Record<string, string>> = {
  up: '↑',
  down: '↓',
  left: '←',
  right: '→',
  enter: 'Enter',
  esc: 'Esc',
  tab: 'Tab',
  backspace: 'Backspace',
  pageup: 'PgUp',
  pagedown: 'PgDn',
  home: 'Home',
  end: 'End',
  space: 'Space',
};

/** What Ctrl and a letter type. */
const CONTROL = '@abcdefghijklmnopqrstuvwxyz';

const GAP = '  ';

/** Several where they were typed or pasted faster than they were read. */
export function keyNames(input: string, key: Partial<Key>): string[] {
  for (const [property, name] of Object.entries(SPECIAL)) {
    if (key[property as keyof Key] === true) return [name];
  }
  if (key.ctrl === true) return input === '' ? [] : [`ctrl-${input}`];
  if (key.meta === true) return [];
  return [...input].flatMap((character) => {
    if (character === ' ') return ['space'];
    if (character === '\r' || character === '\n') return ['enter'];
    if (character === '\u007f' || character === '\b') return ['backspace'];
    if (character === '\t') return ['tab'];
    const letter = CONTROL[character.charCodeAt(0)];
    if (letter !== undefined) return [`ctrl-${letter}`];
    return character < ' ' ? [] : [character];
  });
}

/** The character a key types; undefined for one that types none. */
export function typed(name: string): string | undefined {
  if (name === 'space') return ' ';
  return [...name].length === 1 ? name : undefined;
}

export function bound<S>(table: readonly Binding<S>[], name: string): Binding<S> | undefined {
  return table.find(({ keys }) => keys.includes(name));
}

export function shown(name: string): string {
  return SHOWN[name] ?? name.replace(/^ctrl-(.)$/, (_, letter: string) => `Ctrl-${letter.toUpperCase()}`);
}

/** As many as fit, the first ones first; the last two always: they lead further. */
export function drawFooter(tables: readonly (readonly Binding<never>[])[], width: number): Line {
  const listed = tables.flat().filter(({ label }) => label !== '');
  const parts = listed.map(({ keys, label }) => [shown(keys[0] ?? ''), label] as const);
  const sizeOf = ([key, label]: (typeof parts)[number]) => widthOf(`${key} ${label}${GAP}`);
  const last = parts.slice(-2);
  let room = width + GAP.length - last.reduce((sum, part) => sum + sizeOf(part), 0);
  const first = parts.slice(0, -2).filter((part) => {
    room -= sizeOf(part);
    return room >= 0;
  });
  return drawKeys([...first, ...last]);
}

/** Keys and what they do, in a line. */
export function drawKeys(keys: readonly (readonly [key: string, means: string])[]): Line {
  return keys.flatMap(([key, means], index): Span[] => [
    { text: index === 0 ? key : `${GAP}${key}`, tone: 'accent' },
    { text: ` ${means}`, tone: 'dim' },
  ]);
}

/** What keys do, in the order of their tables. Those that do the same, or the same the other way, stand together. */
export function meanings(
  tables: readonly (readonly Binding<never>[])[],
): { readonly keys: readonly string[]; readonly help: string }[] {
  const keysOf = new Map<string, string[]>();
  for (const { keys, help } of tables.flat())
    keysOf.set(help, [...(keysOf.get(help) ?? []), ...keys.map(shown)]);
  return [...keysOf].map(([help, keys]) => ({ keys, help }));
}

export function drawHelp(tables: readonly (readonly Binding<never>[])[]): Line[] {
  const entries = meanings(tables).map(({ keys, help }) => ({ keys: keys.join(' '), help }));
  const width = Math.max(...entries.map(({ keys }) => widthOf(keys)));
  return entries.map(
    ({ keys, help }): Line => [
      { text: `  ${keys}${' '.repeat(width - widthOf(keys))}  `, tone: 'accent' },
      { text: help },
    ],
  );
}

/** Moves within a list, the same everywhere. */
export function moved(
  name: 'up' | 'down' | 'pageup' | 'pagedown' | 'home' | 'end',
  at: number,
  count: number,
): number {
  const PAGE = 10;
  const to = { up: at - 1, down: at + 1, pageup: at - PAGE, pagedown: at + PAGE, home: 0, end: count - 1 }[
    name
  ];
  return Math.max(0, Math.min(count - 1, to));
}

/** Bindings that move a cursor; `with` puts it into the state. */
export function moves<S>(
  what: string,
  read: (state: S, model: Model) => { at: number; count: number },
  write: (state: S, at: number, model: Model) => Change,
): Binding<S>[] {
  const move = (name: Parameters<typeof moved>[0], keys: readonly string[], help: string): Binding<S> => ({
    keys,
    label: '',
    help,
    act(state, model) {
      const { at, count } = read(state, model);
      return write(state, moved(name, at, count), model);
    },
  });
  return [
    move('up', ['up', 'k'], `the ${what} before or after`),
    move('down', ['down', 'j'], `the ${what} before or after`),
    move('pageup', ['pageup'], 'ten up or down'),
    move('pagedown', ['pagedown'], 'ten up or down'),
    move('home', ['home', 'g'], 'the first or the last'),
    move('end', ['end', 'G'], 'the first or the last'),
  ];
}
