import { expect, test } from 'vitest';
import { bound } from '../keymap.ts';
import type { Model } from '../model.ts';
import { drawPane, FOLLOWED, type PaneState, paneKeys } from './run-pane.ts';

const KEYS = paneKeys<PaneState>(
  () => undefined,
  (state, pane) => ({ state: { ...state, ...pane } as never }),
);

/** A log of the host of so many lines; each fifth is of a loss. */
function logOf(lines: number): Model {
  const log = Array.from({ length: lines }, (_, at) => (at % 5 === 0 ? `Loss at ${at}` : `line ${at}`));
  return { log, followed: null } as unknown as Model;
}

function press(state: PaneState, keys: readonly string[], model: Model): PaneState {
  return keys.reduce((before, key) => {
    const { state: after } = bound(KEYS, key)?.act(before, model) ?? {};
    return (after as unknown as PaneState | undefined) ?? before;
  }, state);
}

function search(state: PaneState, find: string, model: Model): PaneState {
  const { prompt } = bound(KEYS, '/')?.act(state, model) ?? {};
  if (prompt?.kind !== 'text') throw new Error('nothing is asked');
  return prompt.done(find, model).state as unknown as PaneState;
}

const drawn = (state: PaneState, model: Model, height = 4) =>
  drawPane(state, model, undefined, 60, height).map((spans) => spans.map(({ text }) => text).join(''));

const LOG: PaneState = { ...FOLLOWED, pane: 'log' };

test('the end is followed until one scrolls back, and again at the end', () => {
  expect(drawn(LOG, logOf(40))).toEqual([
    `─ log of the host ${'─'.repeat(41)}`,
    'line 37',
    'line 38',
    'line 39',
  ]);
  expect(drawn(LOG, logOf(41)).at(-1)).toBe('Loss at 40');
  const back = press(LOG, ['['], logOf(40));
  for (const lines of [40, 60]) {
    expect(drawn(back, logOf(lines))).toEqual([
      expect.stringContaining(`─ log of the host · line 30 of ${lines} ─`),
      'line 27',
      'line 28',
      'line 29',
    ]);
  }
  expect(press(back, [']'], logOf(40))).toEqual(LOG);
  // As far back as it goes, the pane is still full.
  const first = press(LOG, Array<string>(9).fill('['), logOf(40));
  expect(drawn(first, logOf(40)).slice(1)).toEqual(['Loss at 0', 'line 1', 'line 2']);
});

test('a search finds the newest match, n and N the others, and found lines are marked', () => {
  const model = logOf(40);
  const found = search(LOG, 'loss', model);
  expect(drawn(found, model)).toEqual([
    expect.stringContaining('─ log of the host · line 36 of 40 · 8 with "loss" ─'),
    '  line 33',
    '  line 34',
    '> Loss at 35',
  ]);
  expect(drawn(press(found, ['n', 'n'], model), model).at(-1)).toBe('> Loss at 25');
  expect(press(found, ['n', 'n', 'N', 'N'], model)).toEqual(found);
  expect(bound(KEYS, 'N')?.act(found, model).notice?.text).toBe('no line after this one has "loss"');
  expect(bound(KEYS, 'n')?.act(LOG, model).notice?.text).toBe('nothing is searched for: / does');
  // What nothing has is said, and the end followed.
  const none = search(found, 'accuracy', model);
  expect(none).toEqual({ ...LOG, find: 'accuracy' });
  expect(drawn(none, model)[0]).toContain('· 0 with "accuracy"');
  expect(search(found, '', model)).toEqual(LOG);
});

test('an empty log says so, and a pane without room is none', () => {
  expect(drawn(LOG, logOf(0)).at(-1)).toBe('nothing has been written to it');
  expect(drawn(LOG, logOf(3), 1)).toEqual([]);
});
