/** Text for a terminal that is only so wide. Widths are columns, in which a character takes none, one or two. */
import stringWidth from 'string-width';

const graphemes = new Intl.Segmenter();

/** The text, or as much of its beginning as leaves room for an ellipsis. */
export function truncate(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  if (width < 1) return '';
  let kept = '';
  for (const { segment } of graphemes.segment(text)) {
    if (stringWidth(kept + segment) > width - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}

/** As many parts from the first on as fit beside each other. */
export function fitting<T extends { readonly text: string }>(
  parts: readonly T[],
  gap: number,
  width: number,
): T[] {
  let used = -gap;
  const firstTooWide = parts.findIndex(({ text }) => {
    used += gap + stringWidth(text);
    return used > width;
  });
  return firstTooWide === -1 ? [...parts] : parts.slice(0, firstTooWide);
}
