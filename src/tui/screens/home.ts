/** Every run of the workspace, live ones and past ones. */
import { printable } from '../../results/printable.ts';
import type { RunSummary } from '../../state/summary.ts';
import { formatDuration } from '../../units.ts';
import { bar } from '../drawings/bar.ts';
import { type Binding, moves } from '../keymap.ts';
import { cell, fitLine, type Line, line, widthOf, windowOf } from '../line.ts';
import type { Change, Frame, Model } from '../model.ts';
import { RUN_LOOKS } from '../theme.ts';
import { newJob } from './job.ts';
import { results } from './results-state.ts';
import { runScreen } from './run.ts';

export const SORTS = ['newest', 'oldest', 'name', 'state'] as const;
type Sort = (typeof SORTS)[number];

export interface HomeState {
  readonly screen: 'home';
  readonly filter: string;
  readonly sort: Sort;
  /** The run under the cursor; null: the first. By id, as runs come and go above it. */
  readonly run: string | null;
}

export const HOME: HomeState = { screen: 'home', filter: '', sort: 'newest', run: null };

const COMPARE: Readonly<Record<Sort, (a: RunSummary, b: RunSummary) => number>> = {
  newest: () => 0,
  oldest: (a, b) => (a.id < b.id ? -1 : 1),
  name: (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  state: (a, b) => (a.state < b.state ? -1 : a.state > b.state ? 1 : 0),
};

/** Those that match every word of the filter, in the order that was chosen. */
export function shownRuns({ filter, sort }: HomeState, { runs }: Model): RunSummary[] {
  const words = filter
    .toLowerCase()
    .split(' ')
    .filter((word) => word !== '');
  return (runs ?? [])
    .filter(({ id, kind, name, state }) => {
      const text = `${id} ${kind} ${name} ${state}`.toLowerCase();
      return words.every((word) => text.includes(word));
    })
    .toSorted(COMPARE[sort]);
}

export function chosenRun(state: HomeState, model: Model): RunSummary | undefined {
  const runs = shownRuns(state, model);
  return runs.find(({ id }) => id === state.run) ?? runs[0];
}

/** What can be done to the run under the cursor, or a word about there being none. */
function withRun(act: (run: RunSummary, state: HomeState) => Change): Binding<HomeState>['act'] {
  return (state, model) => {
    const run = chosenRun(state, model);
    if (run === undefined) return { notice: { text: 'there is no run here', tone: 'plain' } };
    return act(run, state);
  };
}

export const HOME_KEYS: readonly Binding<HomeState>[] = [
  {
    keys: ['enter', 'right'],
    label: 'open',
    help: 'open the run; with no run yet: start the quickstart',
    act(state, model) {
      const run = chosenRun(state, model);
      if (run !== undefined) return { open: runScreen(run.id) };
      return model.runs?.length === 0 ? { ask: { ask: 'start_quickstart' } } : {};
    },
  },
  { keys: ['n'], label: 'new job', help: 'put a job together', act: () => ({ open: newJob('sweep', {}) }) },
  {
    keys: ['x', 'c'],
    label: 'cancel',
    help: 'cancel the run: it stops at a safe point, what it has done is kept',
    act: withRun((run) =>
      run.state === 'running'
        ? {
            prompt: {
              kind: 'confirm',
              question: `Cancel ${run.id}?`,
              yes: { ask: { ask: 'cancel', run: run.id } },
            },
          }
        : { notice: { text: `${run.id} is not running: it is ${run.state}`, tone: 'plain' } },
    ),
  },
  {
    keys: ['r'],
    label: 'resume',
    help: 'go on with a run that has ended before it was done',
    act: withRun((run) =>
      run.state === 'running'
        ? { notice: { text: `${run.id} is running already`, tone: 'plain' } }
        : { ask: { ask: 'resume', run: run.id } },
    ),
  },
  {
    keys: ['d'],
    label: 'delete',
    help: 'delete the run with its logs; models and benchmark_levels.csv stay',
    act: withRun((run) =>
      run.state === 'running'
        ? { notice: { text: `${run.id} is running: cancel it first`, tone: 'plain' } }
        : {
            prompt: {
              kind: 'confirm',
              question: `Delete ${run.id} and its logs?`,
              yes: { ask: { ask: 'remove', run: run.id } },
            },
          },
    ),
  },
  { keys: ['R'], label: 'results', help: 'rows of all runs', act: () => ({ open: results(null) }) },
  {
    keys: ['/'],
    label: 'filter',
    help: 'only runs whose id, kind, name or state hold these words',
    act: (state) => ({
      prompt: {
        kind: 'text',
        title: 'filter',
        value: state.filter,
        hint: 'words of id, kind, name or state',
        typed: (filter) => ({ state: { ...state, filter } }),
        done: (filter) => ({ state: { ...state, filter } }),
        given: { state },
      },
    }),
  },
  {
    keys: ['s'],
    label: 'sort',
    help: `another order: ${SORTS.join(', ')}`,
    act: (state) => ({
      state: { ...state, sort: SORTS[(SORTS.indexOf(state.sort) + 1) % SORTS.length] ?? 'newest' },
    }),
  },
  ...moves<HomeState>(
    'run',
    (state, model) => {
      const runs = shownRuns(state, model);
      const at = runs.findIndex(({ id }) => id === state.run);
      return { at: Math.max(0, at), count: runs.length };
    },
    (state, at, model) => ({ state: { ...state, run: shownRuns(state, model)[at]?.id ?? null } }),
  ),
];

const BAR = 10;
/** From so many columns on there is room for all of a run. */
const ROOMY = 100;

export function drawHome(state: HomeState, model: Model, { columns, now }: Frame, height: number): Line[] {
  if (model.runs === null) return [line('reading the runs', 'dim')];
  if (model.runs.length === 0) return WELCOME;
  const runs = shownRuns(state, model);
  const chosen = chosenRun(state, model);
  const said = [
    state.filter === '' ? '' : `filter "${state.filter}"`,
    state.sort === 'newest' ? '' : `by ${state.sort}`,
    runs.length === model.runs.length ? '' : `${runs.length} of ${model.runs.length} runs`,
  ].filter((part) => part !== '');
  const nameWidth = Math.min(28, Math.max(6, ...runs.map(({ name }) => widthOf(printable(name)))));
  const isRoomy = columns >= ROOMY;
  const header = [
    `  ${cell('state', 13)} ${cell('name', nameWidth)} `,
    isRoomy ? `${cell('kind', 9)} ` : '',
    `${cell('tasks', BAR + 7)}${cell('age', 10, 'right')}`,
    isRoomy ? `  ${cell('took', 10, 'right')}` : '',
    '  best',
  ].join('');
  const room = height - 1 - (said.length > 0 ? 1 : 0);
  const { from, to } = windowOf(runs.length, chosen === undefined ? 0 : runs.indexOf(chosen), room);
  const body = runs.slice(from, to).map((run): Line => {
    const { mark, word, tone } = RUN_LOOKS[run.state];
    const { done, total, failed } = run.tasks;
    const age = run.started_at_ms === null ? '' : formatDuration(Math.max(0, now - run.started_at_ms) / 1000);
    const took = run.seconds === null ? '' : formatDuration(run.seconds);
    const isChosen = run === chosen;
    const best = [missed(run), printable(run.best ?? '')].filter((part) => part !== '').join('; ');
    return fitLine(
      [
        { text: isChosen ? '> ' : '  ', tone: 'accent' },
        { text: cell(`${mark} ${word}`, 13), tone },
        { text: ' ' },
        { text: cell(printable(run.name), nameWidth), tone: isChosen ? 'chosen' : 'plain' },
        { text: isRoomy ? ` ${cell(printable(run.kind), 9)} ` : ' ' },
        ...bar(total === 0 ? 0 : done / total, BAR),
        { text: cell(` ${done}/${total}`, 7), tone: failed > 0 ? 'bad' : 'plain' },
        { text: cell(age, 10, 'right') },
        { text: isRoomy ? `  ${cell(took, 10, 'right')}` : '' },
        { text: `  ${best}` },
      ],
      columns,
    );
  });
  const none = runs.length === 0 ? [line('  no run matches', 'dim')] : [];
  return [
    ...(said.length > 0 ? [line(said.join(' · '), 'accent')] : []),
    line(header, 'dim'),
    ...body,
    ...none,
  ];
}

function missed({ bounds_missed: count }: RunSummary): string {
  return count === 0 ? '' : `${count} ${count === 1 ? 'bound' : 'bounds'} missed`;
}

const WELCOME: Line[] = [
  line('No runs here yet.', 'title'),
  [],
  [
    { text: 'Enter', tone: 'accent' },
    { text: '  starts the quickstart: a ResNet-18 is trained on the bundled images, compressed at' },
  ],
  line('       five levels, and each measured beside its original. Some minutes; nothing is downloaded.'),
  [{ text: 'n', tone: 'accent' }, { text: '      puts a job of your own together' }],
];
