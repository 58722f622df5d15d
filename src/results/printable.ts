import { stripVTControlCharacters } from 'node:util';

/** What would move the cursor, colour the line or turn its direction, were it printed as it came. */
const UNPRINTABLE = /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu;

/** Text from outside (a worker's message, a name in a file) as one line that is safe on a terminal. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(UNPRINTABLE, ' ').trimEnd();
}
