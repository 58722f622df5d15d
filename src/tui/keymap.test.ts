import { expect, test } from 'vitest';
import { NO_DESK } from '../../test/fixtures/fake-runs.ts';
import { type Binding, drawFooter, keyNames } from './keymap.ts';
import { tablesOf } from './press.ts';
import { HOME } from './screens/home.ts';
import { newJob } from './screens/job.ts';
import { results } from './screens/results-state.ts';
import { runScreen } from './screens/run.ts';

const SCREENS = [HOME, runScreen('r'), results(null), newJob('sweep', {})];

test.each(SCREENS)('on the screen $screen no key means two things, and each says what it does', (screen) => {
  const bindings = tablesOf(screen, NO_DESK).flat();
  const keys = bindings.flatMap((binding) => binding.keys);
  expect(keys.filter((key, index) => keys.indexOf(key) < index)).toEqual([]);
  expect(bindings.filter(({ help }) => help === '')).toEqual([]);
  expect(keys).toEqual(expect.arrayContaining(['?', 'q', 'esc', 'ctrl-c', 'ctrl-z', 'up', 'down']));
});

test.each([
  ['a', {}, ['a']],
  ['abc', {}, ['a', 'b', 'c']],
  ['\u001510\r', {}, ['ctrl-u', '1', '0', 'enter']],
  ['a b\tc', {}, ['a', 'space', 'b', 'tab', 'c']],
  ['', { upArrow: true }, ['up']],
  ['', { delete: true }, ['backspace']],
  ['z', { ctrl: true }, ['ctrl-z']],
  ['x', { meta: true }, []],
  ['é', {}, ['é']],
])('the input %j is the keys %j', (input, key, names) => {
  expect(keyNames(input, key)).toEqual(names);
});

test('a footer that is too long keeps its first keys and how to get help and out', () => {
  const key = (name: string, label: string): Binding<never> => ({
    keys: [name],
    label,
    help: label,
    act: () => ({}),
  });
  const table = [
    key('enter', 'open'),
    key('n', 'new job'),
    key('x', 'cancel'),
    key('?', 'help'),
    key('q', 'quit'),
  ];
  const text = (width: number) =>
    drawFooter([table], width)
      .map((span) => span.text)
      .join('');
  expect(text(80)).toBe('Enter open  n new job  x cancel  ? help  q quit');
  expect(text(38)).toBe('Enter open  n new job  ? help  q quit');
});
