/**
 * How tones look, in the sixteen colours that a terminal's own palette gives: they suit a light and a dark one alike.
 * No tone is the only sign of anything, so that NO_COLOR loses nothing.
 */
import type { RunState } from '../state/summary.ts';
import type { TaskState } from '../state/view.ts';
import type { Tone } from './line.ts';

/** Names are those of picocolors. */
export const LOOKS = {
  plain: null,
  dim: 'dim',
  good: 'green',
  bad: 'red',
  warn: 'yellow',
  accent: 'cyan',
  title: 'bold',
  chosen: 'inverse',
} as const satisfies Readonly<Record<Tone, string | null>>;

export interface Look {
  readonly mark: string;
  readonly word: string;
  readonly tone: Tone;
}

export const RUN_LOOKS: Readonly<Record<RunState, Look>> = {
  running: { mark: '●', word: 'running', tone: 'accent' },
  done: { mark: '✓', word: 'done', tone: 'good' },
  failed: { mark: '✗', word: 'failed', tone: 'bad' },
  cancelled: { mark: '-', word: 'cancelled', tone: 'warn' },
  interrupted: { mark: '!', word: 'interrupted', tone: 'warn' },
};

export const TASK_LOOKS: Readonly<Record<TaskState, Look>> = {
  planned: { mark: '·', word: 'planned', tone: 'dim' },
  up_to_date: { mark: '=', word: 'up to date', tone: 'dim' },
  queued: { mark: '·', word: 'queued', tone: 'plain' },
  running: { mark: '●', word: 'running', tone: 'accent' },
  succeeded: { mark: '✓', word: 'succeeded', tone: 'good' },
  failed: { mark: '✗', word: 'failed', tone: 'bad' },
  cancelled: { mark: '-', word: 'cancelled', tone: 'warn' },
};

const IN_ASCII: Readonly<Record<string, string>> = {
  '●': '*',
  '○': 'o',
  '◆': '#',
  '■': 'D',
  '□': 'd',
  '✓': '+',
  '✗': 'x',
  '·': '.',
  '…': '~',
  '–': '-',
  '−': '-',
  '→': '>',
  '±': '+',
  '×': 'x',
  '’': "'",
  '█': '#',
  '░': '-',
  '─': '-',
  '│': '|',
  '┤': '|',
  '└': '+',
  '↑': '^',
  '↓': 'v',
  '←': '<',
};

const graphemes = new Intl.Segmenter();

/** For terminals and fonts without more: as wide as it was, and what has no counterpart is a question mark. */
export function toAscii(text: string, widthOf: (text: string) => number): string {
  let out = '';
  for (const { segment } of graphemes.segment(text)) {
    out += /^[\x20-\x7e]$/.test(segment) ? segment : (IN_ASCII[segment] ?? '?'.repeat(widthOf(segment)));
  }
  return out;
}
