/** Lines that fit already, in the theme's looks, as a terminal takes them. */
import picocolors from 'picocolors';
import { type Line, widthOf } from './line.ts';
import { LOOKS, toAscii } from './theme.ts';

export interface Paint {
  readonly ascii: boolean;
  /** False: no escape code at all. */
  readonly color: boolean;
}

/** One text a line. */
export function painter({ ascii, color }: Paint): (lines: readonly Line[]) => string[] {
  const colors = picocolors.createColors(color);
  return (lines) =>
    lines.map((spans) =>
      spans
        .map(({ text, tone = 'plain' }) => {
          const shown = ascii ? toAscii(text, widthOf) : text;
          const look = LOOKS[tone];
          return look === null ? shown : colors[look](shown);
        })
        .join(''),
    );
}
