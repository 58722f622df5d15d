import { Box, Text } from 'ink';
import { type Line, widthOf } from '../line.ts';
import { LOOKS, toAscii } from '../theme.ts';

/** Lines that fit already, in the theme's looks. */
export function FrameLines({ lines, ascii }: { readonly lines: readonly Line[]; readonly ascii: boolean }) {
  return (
    <Box flexDirection="column">
      {lines.map((spans, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a line is its place on the screen
        <Text key={row} wrap="truncate-end">
          {spans.length === 0 ? ' ' : null}
          {spans.map(({ text, tone = 'plain' }, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: as above
            <Text key={index} {...LOOKS[tone]}>
              {ascii ? toAscii(text, widthOf) : text}
            </Text>
          ))}
        </Text>
      ))}
    </Box>
  );
}
