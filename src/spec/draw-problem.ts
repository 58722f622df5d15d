/** The sentence that says a problem of a spec, and the line it is about. */
import stringWidth from 'string-width';
import { visible } from '../errors/visible.ts';
import type { SpecProblem } from './check.ts';
import type { Place } from './json-text.ts';

/** What is shown of a line: what a narrow terminal has room for. */
const SHOWN_WIDTH = 76;
/** Of a longer one, before the place. */
const SHOWN_BEFORE = 40;

/** What to do about a format from the future. */
export const UPDATE = 'Update capstone to use it.';

/** All of them in one message: what is wrong in a line, and below it the place where that can be had. */
export function drawProblems(problems: readonly SpecProblem[]): string {
  const [only, ...others] = problems;
  if (only !== undefined && others.length === 0) return drawProblem(only);
  const listed = problems.map((problem) => `  ${drawProblem(problem, '      ')}`);
  return [`${problems.length} problems`, ...listed].join('\n');
}

/** `indent` stands before the lines of the excerpt. */
export function drawProblem(
  { source, path, expected, found, nearest, place }: SpecProblem,
  indent = '    ',
): string {
  const where = place === undefined ? source : `${source}:${place.line}:${place.column}`;
  const guess = nearest === undefined ? '' : `. Did you mean ${JSON.stringify(nearest)}?`;
  const sentence = `${where}${path === '' ? '' : `, ${path}`}: expected ${expected}, found ${found}${guess}`;
  return [sentence, ...(place === undefined ? [] : excerpt(place).map((line) => `${indent}${line}`))].join(
    '\n',
  );
}

/** The part of the line around the place, and a line that points at it. */
function excerpt({ text, column, length }: Place): string[] {
  const start = column - 1;
  const indented = Math.min(text.length - text.trimStart().length, start);
  const fits = text.length - indented <= SHOWN_WIDTH;
  const from = fits ? indented : Math.max(indented, start - SHOWN_BEFORE);
  const until = Math.min(text.length, from + SHOWN_WIDTH);
  const shown = (first: number, end: number) => visible(text.slice(first, end).replaceAll('\t', ' '));
  const before = `${from > indented ? '…' : ''}${shown(from, start)}`;
  const marked = stringWidth(shown(start, Math.min(start + length, until)));
  const line = `${before}${shown(start, until)}${until < text.length ? '…' : ''}`;
  return [line.trimEnd(), `${' '.repeat(stringWidth(before))}${'^'.repeat(Math.max(1, marked))}`];
}
