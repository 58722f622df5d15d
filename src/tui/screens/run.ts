/** One run: its tasks, the curves of a training, what it says, and why a task failed. */
import { printable } from '../../results/printable.ts';
import { describeMetric, headline, overallProgress, phaseFraction } from '../../state/select.ts';
import type { TaskMetric, TaskView } from '../../state/view.ts';
import { formatBytes, formatDuration, formatPercent, formatRate } from '../../units.ts';
import { bar } from '../drawings/bar.ts';
import { type Curves, drawCurves, type Series } from '../drawings/curve.ts';
import { type Binding, moves } from '../keymap.ts';
import { beside, cell, fitLine, type Line, line, type Span, widthOf, windowOf, wrap } from '../line.ts';
import type { Change, Frame, Model } from '../model.ts';
import type { FollowedRun } from '../run-source.ts';
import { type Look, RUN_LOOKS, TASK_LOOKS } from '../theme.ts';
import { results } from './results-state.ts';
import { drawPane, FOLLOWED, type PaneState, paneKeys } from './run-pane.ts';

export interface RunScreenState extends PaneState {
  readonly screen: 'run';
  readonly run: string;
  /** Null: whichever runs. */
  readonly task: string | null;
}

export function runScreen(run: string): RunScreenState {
  return { screen: 'run', run, task: null, ...FOLLOWED };
}

/** The one that was chosen, else one that runs, else the first that failed, else the first. */
export function chosenTask({ task }: RunScreenState, { followed }: Model): TaskView | undefined {
  const tasks = followed?.view.tasks ?? [];
  return (
    tasks.find(({ id }) => id === task) ??
    tasks.find(({ state }) => state === 'running') ??
    tasks.find(({ state }) => state === 'failed') ??
    tasks[0]
  );
}

function withTask(
  act: (task: TaskView, followed: FollowedRun, state: RunScreenState) => Change,
): Binding<RunScreenState>['act'] {
  return (state, model) => {
    const task = chosenTask(state, model);
    if (task === undefined || model.followed === null) return {};
    return act(task, model.followed, state);
  };
}

const said = (text: string): Change => ({ notice: { text, tone: 'plain' } });

export const RUN_KEYS: readonly Binding<RunScreenState>[] = [
  {
    keys: ['c'],
    label: 'cancel task',
    help: 'cancel the task under the cursor; what needs it will not run',
    act: withTask((task, { state }, { run }) =>
      state === 'running' && ['planned', 'queued', 'running'].includes(task.state)
        ? {
            prompt: {
              kind: 'confirm',
              question: `Cancel ${task.label}?`,
              yes: { ask: { ask: 'cancel_task', run, task: task.id } },
            },
          }
        : said(`${task.label} is over: ${TASK_LOOKS[task.state].word}`),
    ),
  },
  {
    keys: ['x'],
    label: 'cancel run',
    help: 'cancel the run: it stops at a safe point, what it has done is kept',
    act: ({ run }, { followed }) =>
      followed?.state === 'running'
        ? { prompt: { kind: 'confirm', question: `Cancel ${run}?`, yes: { ask: { ask: 'cancel', run } } } }
        : said('the run is over'),
  },
  {
    keys: ['r'],
    label: 'retry',
    help: 'run a failed task again; once the run is over: go on with all that is missing',
    act: withTask((task, { state }, { run }) => {
      if (state === 'done') return said('everything is done');
      if (state !== 'running') return { ask: { ask: 'resume', run } };
      return task.state === 'failed' || task.state === 'cancelled'
        ? { ask: { ask: 'retry_task', run, task: task.id } }
        : said(`${task.label} has not failed: it is ${TASK_LOOKS[task.state].word}`);
    }),
  },
  ...paneKeys<RunScreenState>(chosenTask, (state, pane) => ({ state: { ...state, ...pane } })),
  { keys: ['R'], label: 'results', help: 'rows of this run', act: ({ run }) => ({ open: results(run) }) },
  {
    keys: ['f'],
    label: '',
    help: 'follow whichever task runs again',
    act: (state) => ({ state: { ...state, task: null, bottom: null } }),
  },
  ...moves<RunScreenState>(
    'task',
    (state, model) => {
      const tasks = model.followed?.view.tasks ?? [];
      const chosen = chosenTask(state, model);
      return { at: chosen === undefined ? 0 : tasks.indexOf(chosen), count: tasks.length };
    },
    (state, at, model) => ({
      state: { ...state, task: model.followed?.view.tasks[at]?.id ?? null, bottom: null },
    }),
  ),
];

export function drawRunScreen(state: RunScreenState, model: Model, frame: Frame, height: number): Line[] {
  const { followed } = model;
  if (followed === null || followed.view.startedAtMs === null)
    return [line('waiting for the run to say something', 'dim')];
  const { view } = followed;
  const chosen = chosenTask(state, model);
  const shared = sharedIn(view.tasks.map(({ label }) => label));
  const head = drawHead(followed, shared, frame);
  const room = height - head.length;
  const tasksHigh = Math.min(view.tasks.length, Math.max(3, Math.floor(room * 0.45)));
  const { from, to } = windowOf(
    view.tasks.length,
    chosen === undefined ? 0 : view.tasks.indexOf(chosen),
    tasksHigh,
  );
  const labelWidth = Math.min(
    Math.max(26, frame.columns - 62),
    Math.max(0, ...view.tasks.map(({ label }) => widthOf(printable(withoutShared(label, shared))))),
  );
  // Of a run that nobody runs any more, no task runs.
  const clock = followed.state === 'running' ? frame.now : null;
  const tasks = view.tasks
    .slice(from, to)
    .map((task) =>
      fitLine(
        drawTask(task, withoutShared(task.label, shared), task === chosen, labelWidth, clock),
        frame.columns,
      ),
    );
  const left = room - tasks.length - 1;
  const middle = chosen === undefined ? [] : drawDetail(chosen, frame, Math.min(8, Math.floor(left * 0.6)));
  const pane = drawPane(state, model, chosen, frame.columns, left - middle.length);
  return [...head, ...tasks, [], ...middle, ...pane];
}

function drawHead({ view, state }: FollowedRun, shared: string, { now, columns }: Frame): Line[] {
  const { mark, word, tone } = RUN_LOOKS[state];
  const { settled, total } = overallProgress(view);
  const until = view.endedAtMs ?? (state === 'running' ? now : null);
  const took =
    until === null || view.startedAtMs === null
      ? []
      : [formatDuration(Math.max(0, until - view.startedAtMs) / 1000)];
  const stopping = view.status === 'stopping' && state === 'running' ? ['stopping'] : [];
  const about = shared === '' ? [] : [printable(shared)];
  const cpu = view.capability === null ? [] : [printable(view.capability.cpu)];
  const first: Span[] = [
    { text: `${mark} ${word}`, tone },
    { text: `  ${view.kind} ${printable(view.name)}`, tone: 'title' },
    { text: `  ${[`${settled} of ${total} tasks`, ...took, ...stopping, ...about, ...cpu].join(' · ')}` },
  ];
  const best =
    view.best === null ? [] : [fitLine([{ text: `best: ${printable(view.best)}`, tone: 'good' }], columns)];
  const missed = view.missedBounds.map(({ bound, row, found }) =>
    fitLine([{ text: printable(`bound missed: ${bound}, ${row}: ${found}`), tone: 'bad' }], columns),
  );
  const usage = state === 'running' ? drawUsage(view.tasks, columns) : [];
  return [fitLine(first, columns), ...usage, ...best, ...missed.slice(0, 3), []];
}

/** What all tasks that run take of the machine. A GPU is told of as a whole: of one of them is enough. */
function drawUsage(tasks: readonly TaskView[], columns: number): Line[] {
  const usages = tasks.flatMap(({ usage }) => (usage === null ? [] : [usage]));
  if (usages.length === 0) return [];
  const sum = (of: 'cpu_percent' | 'memory_bytes') => usages.reduce((total, usage) => total + usage[of], 0);
  const gpu = usages.find(({ gpu_percent }) => gpu_percent !== null);
  const words = [
    `CPU ${formatPercent(sum('cpu_percent'), 0)}`,
    `memory ${formatBytes(sum('memory_bytes'))}`,
    ...(gpu?.gpu_percent == null ? [] : [`GPU ${formatPercent(gpu.gpu_percent, 0)}`]),
    ...(gpu?.gpu_memory_bytes == null ? [] : [`GPU memory ${formatBytes(gpu.gpu_memory_bytes)}`]),
  ];
  return [fitLine(line(`workers: ${words.join(' · ')}`, 'dim'), columns)];
}

function drawTask(
  task: TaskView,
  label: string,
  isChosen: boolean,
  labelWidth: number,
  clock: number | null,
): Line {
  const { mark, tone } = lookOf(task, clock);
  return [
    { text: isChosen ? '> ' : '  ', tone: 'accent' },
    { text: `${mark} `, tone },
    { text: cell(printable(label), labelWidth), tone: isChosen ? 'chosen' : 'plain' },
    { text: '  ' },
    ...doing(task, clock),
  ];
}

/** `clock` is null where the run is over: what ran then was cut off. */
function lookOf({ state }: TaskView, clock: number | null): Look {
  return state === 'running' && clock === null ? RUN_LOOKS.interrupted : TASK_LOOKS[state];
}

/**
 * What the labels of all tasks have in common behind their first word: said once above them, it leaves room for what
 * tells them apart. `train resnet18 on cifar10`, `compress resnet18 on cifar10, level 1`: resnet18 on cifar10.
 */
export function sharedIn(labels: readonly string[]): string {
  const rests = labels.map((label) => label.slice(label.indexOf(' ') + 1));
  const [first = '', ...others] = rests;
  if (others.length === 0) return '';
  const parts = first.split(', ');
  const count = parts.findIndex(
    (_, index) => !others.every((rest) => rest.split(', ')[index] === parts[index]),
  );
  return parts.slice(0, count === -1 ? parts.length : count).join(', ');
}

function withoutShared(label: string, shared: string): string {
  return shared === '' ? label : label.replace(` ${shared}`, '').replace(/^(\S+),/, '$1');
}

/** What a task is about, the most telling first. */
function doing(task: TaskView, clock: number | null): Span[] {
  const { word, tone } = lookOf(task, clock);
  switch (task.state) {
    case 'running': {
      if (clock === null) {
        const where = task.phase === null ? '' : ` in ${printable(task.phase)}`;
        return [{ text: `${word}${where}`, tone }];
      }
      const fraction = phaseFraction(task);
      const { progress, phase, startedAtMs } = task;
      const words = [
        phase === null ? '' : printable(phase),
        progress?.eta_s != null
          ? `${formatDuration(progress.eta_s)} left`
          : startedAtMs === null
            ? ''
            : formatDuration(Math.max(0, clock - startedAtMs) / 1000),
        progress?.rate == null ? '' : printable(formatRate(progress.rate, progress.unit)),
      ].filter((text) => text !== '');
      if (fraction === null) return [{ text: words.join('  ') }];
      return [
        ...bar(fraction, 14),
        { text: ` ${formatPercent(Math.floor(100 * fraction), 0).padStart(5)}  ${words.join('  ')}` },
      ];
    }
    case 'succeeded': {
      const took = task.seconds === null ? '' : `in ${formatDuration(task.seconds)}`;
      const found = printable(headline(task));
      return [{ text: `${word} ${took}`, tone }, { text: found === '' ? '' : `  ${found}` }];
    }
    case 'failed':
      return [{ text: `failed: ${printable(task.failure?.message ?? '')}`, tone }];
    case 'planned':
    case 'up_to_date':
    case 'queued':
    case 'cancelled':
      return [
        { text: word, tone },
        { text: task.because === '' ? '' : `  ${printable(task.because)}`, tone: 'dim' },
      ];
  }
}

/** A failure in full, or curves where the task has any. */
function drawDetail(task: TaskView, { columns, ascii }: Frame, height: number): Line[] {
  if (task.failure !== null) {
    const { message, hint, code } = task.failure;
    return [
      ...wrap(`${code}: ${printable(message)}`, columns).map((text) => line(text, 'bad')),
      ...(hint === '' ? [] : wrap(printable(hint), columns).map((text) => line(text, 'warn'))),
      line('r runs it again, l shows all of its log', 'dim'),
      [],
    ].slice(0, Math.max(3, height));
  }
  const { testMetrics, trainMetrics } = task;
  if (testMetrics.length + trainMetrics.length === 0 || height < 4) {
    return task.metric === null ? [] : [line(printable(describeMetric(task.metric)), 'dim'), []];
  }
  const series = (name: 'test' | 'train', metrics: readonly TaskMetric[], value: string): Series => ({
    name,
    points: metrics.map(({ epoch, values }) => ({ x: epoch, y: values[value] ?? null })),
  });
  const width = Math.floor((columns - 2) / 2);
  const curves = (title: string, value: string, format: Curves['format'], note: string) =>
    drawCurves(
      {
        title,
        series: [series('test', testMetrics, value), series('train', trainMetrics, value)],
        format,
        note,
      },
      width,
      height - 1,
      ascii,
    );
  return [
    ...beside(
      curves('accuracy', 'acc', (percent) => formatPercent(percent), ''),
      curves('loss', 'loss', (loss) => loss.toPrecision(3), `epoch ${task.metric?.epoch ?? 0}`),
      width,
    ),
    [],
  ];
}
