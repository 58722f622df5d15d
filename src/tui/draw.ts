/** A frame: what the screen on top draws, with a title above and what the keys do below. One line less than there are. */

import { printable } from '../results/printable.ts';
import { drawFooter, drawHelp, drawKeys } from './keymap.ts';
import { fitLine, type Line, line, widthOf, windowOf, wrap } from './line.ts';
import { type Frame, type Model, type Prompt, type ScreenState, top } from './model.ts';
import { tablesOf } from './press.ts';
import type { JobDesk } from './run-source.ts';
import { drawHome } from './screens/home.ts';
import { drawJob } from './screens/job.ts';
import { drawResults } from './screens/results.ts';
import { drawRunScreen } from './screens/run.ts';

export const SMALLEST = { columns: 80, rows: 24 } as const;

export function drawFrame(model: Model, frame: Frame, desk: JobDesk): Line[] {
  const { columns, rows } = frame;
  const high = rows - 1;
  if (columns < SMALLEST.columns || rows < SMALLEST.rows) {
    const said = [
      `capstone needs ${SMALLEST.columns} columns and ${SMALLEST.rows} rows.`,
      `This terminal has ${columns} and ${rows}: make it larger, or quit with q.`,
    ];
    return said.map((text) => fitLine(line(text), columns)).slice(0, Math.max(1, high));
  }
  const tables = tablesOf(top(model), desk);
  const message = messageOf(model, columns);
  const height = high - 3 - message.length;
  const body = bodyOf(model, frame, height, desk)
    .slice(0, height)
    .map((spans) => fitLine(spans, columns));
  const blank = Array.from({ length: height - body.length }, (): Line => []);
  return [
    fitLine(titleOf(model), columns),
    [],
    ...body,
    ...blank,
    ...message,
    fitLine(model.prompt === null ? drawFooter(tables, columns) : answersTo(model.prompt), columns),
  ];
}

function bodyOf(model: Model, frame: Frame, height: number, desk: JobDesk): Line[] {
  const screen = top(model);
  if (model.prompt?.kind === 'choose') return drawChoice(model.prompt, height);
  if (model.helping) {
    return [line('Keys', 'title'), ...drawHelp(tablesOf(screen, desk))];
  }
  return drawScreen(screen, model, frame, height, desk);
}

function drawScreen(screen: ScreenState, model: Model, frame: Frame, height: number, desk: JobDesk): Line[] {
  switch (screen.screen) {
    case 'home':
      return drawHome(screen, model, frame, height);
    case 'run':
      return drawRunScreen(screen, model, frame, height);
    case 'results':
      return drawResults(screen, model, frame, height);
    case 'job':
      return drawJob(screen, model, frame, height, desk);
  }
}

function titleOf({ screens }: Model): Line {
  const path = screens.map(nameOf);
  return [
    { text: 'capstone', tone: 'title' },
    { text: `  ${path.join(' / ')}`, tone: 'dim' },
  ];
}

function nameOf(screen: ScreenState): string {
  switch (screen.screen) {
    case 'home':
      return 'runs';
    case 'run':
      return screen.run;
    case 'results':
      return 'results';
    case 'job':
      return 'new job';
  }
}

/** One line, or as many as an error needs to say what to do. */
function messageOf({ prompt, notice }: Model, columns: number): Line[] {
  if (prompt?.kind === 'confirm') return [fitLine(line(prompt.question, 'title'), columns)];
  if (prompt?.kind === 'quit') {
    const { length } = prompt.live;
    const runs = length === 1 ? 'A run that you started goes' : `${length} runs that you started go`;
    return [line(`${runs} on. Leave running, or cancel?`, 'title')];
  }
  if (prompt?.kind === 'text') {
    const room = columns - widthOf(prompt.title) - 4;
    // Of a long value the end: that is where it is typed.
    const shown =
      widthOf(prompt.value) > room ? `…${[...prompt.value].slice(1 - room).join('')}` : prompt.value;
    return [[{ text: `${prompt.title}: `, tone: 'title' }, { text: shown }, { text: ' ', tone: 'chosen' }]];
  }
  if (notice === null) return [[]];
  return wrap(printable(notice.text), columns)
    .slice(0, MESSAGE_LINES)
    .map((text) => line(text, notice.tone));
}

const MESSAGE_LINES = 5;

const ANSWERS: Readonly<Record<Prompt['kind'], readonly (readonly [string, string])[]>> = {
  confirm: [
    ['y', 'yes'],
    ['n', 'no'],
  ],
  quit: [
    ['l', 'leave running and quit'],
    ['c', 'cancel and quit'],
    ['Esc', 'stay'],
  ],
  text: [
    ['Enter', 'done'],
    ['Esc', 'give up'],
  ],
  choose: [
    ['↑ ↓', 'move'],
    ['Enter', 'choose'],
    ['Esc', 'give up'],
  ],
};

function answersTo(prompt: Prompt): Line {
  const answers = drawKeys(ANSWERS[prompt.kind]);
  if (prompt.kind !== 'text' || prompt.hint === '') return answers;
  return [...answers, { text: `  ${prompt.hint}`, tone: prompt.isWrong === true ? 'bad' : 'dim' }];
}

function drawChoice({ title, options, chosen }: Extract<Prompt, { kind: 'choose' }>, height: number): Line[] {
  const { from, to } = windowOf(options.length, chosen, height - 2);
  return [
    line(title, 'title'),
    [],
    ...options.slice(from, to).map((option, index): Line => {
      const isChosen = from + index === chosen;
      return [
        { text: isChosen ? '> ' : '  ', tone: 'accent' },
        { text: option, tone: isChosen ? 'chosen' : 'plain' },
      ];
    }),
  ];
}
