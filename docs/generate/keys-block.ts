/** The tables of keys in docs/tui.md, each between two markers, from the tables that the terminal UI itself reads. */
import { type Binding, meanings } from '../../src/tui/keymap.ts';
import type { ScreenState } from '../../src/tui/model.ts';
import { EVERYWHERE, tablesOf } from '../../src/tui/press.ts';
import type { JobDesk } from '../../src/tui/run-source.ts';
import { HOME } from '../../src/tui/screens/home.ts';
import { newJob } from '../../src/tui/screens/job.ts';
import { results } from '../../src/tui/screens/results-state.ts';
import { runScreen } from '../../src/tui/screens/run.ts';
import { code, table } from './markdown.ts';

const BLOCK = /(<!-- keys:begin (\w+), by `npm run docs` -->)[\s\S]*?(<!-- keys:end -->)/g;

/** The compiler asks for every screen there is. */
const SCREENS: { readonly [K in ScreenState['screen']]: ScreenState } = {
  home: HOME,
  job: newJob('sweep', {}),
  run: runScreen(''),
  results: results(null),
};

/** The page with what stands between its markers made anew. Throws where a screen has no table, or a table no screen. */
export function withKeys(page: string, desk: JobDesk): string {
  const left = new Map<string, readonly Binding<never>[]>([
    ...Object.entries(SCREENS).map(([name, screen]) => [name, tablesOf(screen, desk)[0] ?? []] as const),
    ['everywhere', EVERYWHERE as readonly Binding<never>[]],
  ]);
  const made = page.replace(BLOCK, (_, begin: string, name: string, end: string) => {
    const keys = left.get(name);
    if (keys === undefined) throw new Error(`keys:begin ${name}: no such screen, or it has a table already`);
    left.delete(name);
    return `${begin}\n\n${keyTable(keys)}\n\n${end}`;
  });
  if (left.size > 0) throw new Error(`no keys:begin for ${[...left.keys()].join(', ')}`);
  return made;
}

function keyTable(keys: readonly Binding<never>[]): string {
  return table(
    ['Key', 'What it does'],
    meanings([keys]).map((entry) => [entry.keys.map(code).join(' '), entry.help]),
  );
}
