/** Lines of a frame: pieces of text with a tone, cut to the columns there are. The theme says how a tone looks. */
import stringWidth from 'string-width';
import { truncate } from '../results/fit.ts';

export type Tone = 'plain' | 'dim' | 'good' | 'bad' | 'warn' | 'accent' | 'title' | 'chosen';

export interface Span {
  readonly text: string;
  readonly tone?: Tone;
}
export type Line = readonly Span[];

const ASCII = /^[\x20-\x7e]*$/;

/** Columns that a text takes. */
export function widthOf(text: string): number {
  return ASCII.test(text) ? text.length : stringWidth(text);
}

/** Exactly so wide. */
export function cell(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const shown = truncate(text, width);
  const room = ' '.repeat(Math.max(0, width - widthOf(shown)));
  return align === 'right' ? room + shown : shown + room;
}

export function line(text: string, tone: Tone = 'plain'): Line {
  return [{ text, tone }];
}

export function lineWidth(spans: Line): number {
  return spans.reduce((sum, { text }) => sum + widthOf(text), 0);
}

/** Cut where the terminal ends. */
export function fitLine(spans: Line, width: number): Line {
  let left = width;
  const fitted: Span[] = [];
  for (const span of spans) {
    if (left <= 0) break;
    const text = truncate(span.text, left);
    left -= widthOf(text);
    fitted.push({ ...span, text });
    if (text !== span.text) break;
  }
  return fitted;
}

/** Two columns of lines beside each other, the left one so wide. */
export function beside(left: readonly Line[], right: readonly Line[], width: number, gap = 2): Line[] {
  return Array.from({ length: Math.max(left.length, right.length) }, (_, index) => {
    const first = fitLine(left[index] ?? [], width);
    const room = ' '.repeat(width - lineWidth(first) + gap);
    return [...first, { text: room }, ...(right[index] ?? [])];
  });
}

/** Text broken into lines between words; a longer word is cut. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && widthOf(last) + 1 + widthOf(word) <= width)
      lines[lines.length - 1] += ` ${word}`;
    else lines.push(truncate(word, width));
  }
  return lines;
}

/** A part of a list that holds the chosen entry. */
export function windowOf(count: number, chosen: number, height: number): { from: number; to: number } {
  const from = Math.max(0, Math.min(chosen - Math.floor(height / 2), count - height));
  return { from, to: Math.min(count, from + height) };
}
