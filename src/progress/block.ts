/** On a terminal: what runs now as one block, drawn in place; what is settled as lines above it that stay. */
import { createLogUpdate } from 'log-update';
import picocolors from 'picocolors';
import { fitting, truncate } from '../results/fit.ts';
import { printable } from '../results/printable.ts';
import type { RunEvent } from '../spec/event.ts';
import { emptyRun, reduceRun } from '../state/reduce.ts';
import { countTasks, describeMetric, overallProgress, phaseFraction } from '../state/select.ts';
import type { RunView, TaskView } from '../state/view.ts';
import { formatDuration, formatPercent, formatRate } from '../units.ts';
import { plainLines } from './plain.ts';

const FRAME_MS = 100;
const GAP = '  ';
const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

type Colors = ReturnType<typeof picocolors.createColors>;
/** A piece of a line: its width is that of the text, before any colour. */
interface Part {
  readonly text: string;
  paint?(text: string): string;
}

export interface Frame {
  readonly columns: number;
  readonly rows: number;
  readonly color: boolean;
  /** As `Date.now()`. */
  readonly now: number;
}

export interface LiveBlockOptions {
  readonly stream: NodeJS.WriteStream;
  readonly color: boolean;
}

export class LiveBlock {
  readonly #stream: NodeJS.WriteStream;
  readonly #color: boolean;
  readonly #screen: ReturnType<typeof createLogUpdate>;
  readonly #timer: NodeJS.Timeout;
  #run = emptyRun('');
  /** Lines that stay, not yet written. */
  #settled: string[] = [];

  constructor({ stream, color }: LiveBlockOptions) {
    this.#stream = stream;
    this.#color = color;
    this.#screen = createLogUpdate(stream);
    // Drawing by the clock bounds the frames, moves elapsed times on and follows a resized terminal.
    this.#timer = setInterval(() => this.#draw(), FRAME_MS).unref();
  }

  event(event: RunEvent): void {
    this.#run = reduceRun(this.#run, event);
    this.#settled.push(...settledLines(event, this.#run, this.#color));
  }

  close(): void {
    clearInterval(this.#timer);
    this.#flush();
    this.#screen.clear();
    this.#screen.done();
  }

  #draw(): void {
    this.#flush();
    const { columns = DEFAULT_COLUMNS, rows = DEFAULT_ROWS } = this.#stream;
    const block = drawBlock(this.#run, { columns, rows, color: this.#color, now: Date.now() });
    if (block.length > 0) this.#screen(block.join('\n'));
    else this.#screen.clear();
  }

  #flush(): void {
    if (this.#settled.length === 0) return;
    // Not by log-update's persist, which would break long lines and cut what is higher than the terminal.
    this.#screen.clear();
    this.#stream.write(this.#settled.map((line) => `${line}\n`).join(''));
    this.#settled = [];
  }
}

/** The lines of an event that stay on the screen above the block. */
export function settledLines(event: RunEvent, run: RunView, color: boolean): string[] {
  const mark = markOf(event, picocolors.createColors(color));
  if (mark === undefined) return [];
  return plainLines(event, run).map((line, index) => `${index === 0 ? mark : ' '} ${line}`);
}

function markOf(event: RunEvent, colors: Colors): string | undefined {
  switch (event.type) {
    case 'task_succeeded':
      return colors.green('✓');
    case 'task_failed':
      return colors.red('✗');
    case 'bound_missed':
      return colors.red('!');
    case 'task_cancelled':
      return colors.yellow('-');
    case 'task_up_to_date':
      return colors.dim('=');
    case 'log':
      return { info: colors.dim('·'), warning: colors.yellow('!'), error: colors.red('!') }[event.level];
    case 'task_retried':
    case 'run_started':
    case 'run_stopping':
    case 'run_ended':
      return colors.dim('·');
    case 'hello':
    case 'capability':
    case 'task_planned':
    case 'task_queued':
    case 'started':
    case 'phase':
    case 'progress':
    case 'metric':
    case 'artifact':
    case 'result':
    case 'error':
    case 'done':
    case 'usage':
    case 'ended':
      return undefined;
  }
}

/** At most `rows - 1` lines, each narrower than the terminal; none when the run is over. */
export function drawBlock(run: RunView, { columns, rows, color, now }: Frame): string[] {
  if (run.startedAtMs === null || run.endedAtMs !== null || rows < 2) return [];
  const colors = picocolors.createColors(color);
  const width = columns - 1;
  const room = rows - 2;
  const running = run.tasks.filter(({ state }) => state === 'running');
  const roomy = 2 * running.length <= room;
  const shown = running.length > room ? running.slice(0, Math.max(0, room - 1)) : running;
  const hidden = running.length - shown.length;
  return [
    ...shown.flatMap((task) => {
      const doing = details(task, colors, now);
      if (!roomy) return [drawParts([labelOf(task, width), ...doing], width)];
      const title = drawParts([labelOf(task, width), ...metricOf(task)], width);
      return [title, GAP + drawParts([...bar(task, columns, colors), ...doing], width - GAP.length)];
    }),
    ...(hidden > 0 && room > 0 ? [truncate(`and ${hidden} more`, width)] : []),
    drawParts(footer(run, colors, now), width),
  ];
}

function drawParts(parts: readonly Part[], width: number): string {
  return fitting(parts, GAP.length, width)
    .map(({ text, paint }) => (paint === undefined ? text : paint(text)))
    .join(GAP);
}

function labelOf(task: TaskView, width: number): Part {
  return { text: truncate(printable(task.label), width) };
}

function metricOf({ metric }: TaskView): Part[] {
  return metric === null ? [] : [{ text: printable(describeMetric(metric)) }];
}

function bar(task: TaskView, columns: number, colors: Colors): Part[] {
  const fraction = phaseFraction(task);
  if (fraction === null) return [];
  const width = columns >= 100 ? 30 : 16;
  const full = Math.floor(fraction * width);
  const paint = () => colors.cyan('█'.repeat(full)) + colors.dim('░'.repeat(width - full));
  return [{ text: '█'.repeat(width), paint }];
}

/** The most telling first: what does not fit is left out from the end. */
function details(task: TaskView, colors: Colors, now: number): Part[] {
  const { progress, phase, startedAtMs } = task;
  const fraction = phaseFraction(task);
  const parts: Part[] = [];
  if (fraction !== null) parts.push({ text: formatPercent(Math.floor(100 * fraction), 0).padStart(5) });
  if (phase !== null) parts.push({ text: printable(phase) });
  if (progress?.eta_s != null) parts.push({ text: `${formatDuration(progress.eta_s)} left` });
  else if (startedAtMs !== null) parts.push({ text: formatDuration(Math.max(0, now - startedAtMs) / 1000) });
  if (progress?.rate != null) {
    parts.push({ text: printable(formatRate(progress.rate, progress.unit)), paint: colors.dim });
  }
  return parts;
}

function footer(run: RunView, colors: Colors, now: number): Part[] {
  const { settled, total } = overallProgress(run);
  const { failed, running } = countTasks(run);
  const elapsed = Math.max(0, now - (run.startedAtMs ?? now)) / 1000;
  return [
    { text: `${settled} of ${total} tasks`, paint: colors.bold },
    ...(failed === 0 ? [] : [{ text: `${failed} failed`, paint: colors.red }]),
    { text: formatDuration(elapsed) },
    ...(running === 0 && run.versions === null ? [{ text: 'starting the worker host' }] : []),
    run.status === 'stopping'
      ? { text: 'stopping', paint: colors.yellow }
      : { text: 'Ctrl-C stops at a safe point', paint: colors.dim },
  ];
}
