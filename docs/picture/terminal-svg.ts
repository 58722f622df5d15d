/**
 * What a terminal showed, as an SVG that looks the same on light and dark pages: a window of its own, one text for
 * each run of equal style, stretched to its columns so that no font moves them. By hand: the packages that do it are
 * no longer kept up, and a captured screen holds only text and SGR sequences.
 */

const CELL = { width: 8.4, height: 18, baseline: 13 };
const PADDING = 16;
const TITLE_HEIGHT = 34;
const FONT = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace';
const BACKGROUND = '#0d1117';
const FOREGROUND = '#e6edf3';
const FRAME = '#3d444d';
const LABEL = '#9198a1';
/** The eight colours of SGR 30 to 37, and of 90 to 97: bright enough for the background. */
const COLOURS = ['#484f58', '#ff7b72', '#3fb950', '#d29922', '#58a6ff', '#bc8cff', '#39c5cf', '#e6edf3'];
const DIM_OPACITY = 0.6;
/** Blocks that fonts draw with gaps between them; share of the cell's ink. */
const BLOCKS: Readonly<Record<string, number>> = { '█': 1, '░': 0.25 };

interface Style {
  readonly colour: string;
  readonly bold: boolean;
  readonly dim: boolean;
}

interface Run {
  readonly text: string;
  readonly column: number;
  readonly style: Style;
}

export interface Screen {
  readonly title: string;
  /** Lines with SGR sequences, as `tmux capture-pane -e` prints them. */
  readonly lines: readonly string[];
}

const PLAIN: Style = { colour: FOREGROUND, bold: false, dim: false };

/** Screens one below the other, each in a window of so many columns. */
export function toSvg(screens: readonly Screen[], columns: number): string {
  const width = Math.ceil(columns * CELL.width + 2 * PADDING);
  let top = 0;
  const windows = screens.map((screen) => {
    const drawn = drawWindow(screen, top, width);
    top += heightOf(screen) + PADDING;
    return drawn;
  });
  const height = top - PADDING;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">`,
    '<title>A run of capstone in a terminal</title>',
    `<g font-family='${FONT}' font-size="14" fill="${FOREGROUND}">`,
    ...windows,
    '</g>',
    '</svg>',
    '',
  ].join('\n');
}

function heightOf({ lines }: Screen): number {
  return TITLE_HEIGHT + lines.length * CELL.height + PADDING;
}

function drawWindow(screen: Screen, top: number, width: number): string {
  const { title, lines } = screen;
  return [
    `<g transform="translate(0 ${top})">`,
    `<rect x="0.5" y="0.5" width="${width - 1}" height="${heightOf(screen) - 1}" rx="8" fill="${BACKGROUND}" stroke="${FRAME}"/>`,
    `<text x="${width / 2}" y="21" text-anchor="middle" font-size="12" fill="${LABEL}">${escaped(title)}</text>`,
    ...lines.flatMap((line, row) =>
      runsOf(line).map((run) => drawRun(run, TITLE_HEIGHT + row * CELL.height)),
    ),
    '</g>',
  ].join('\n');
}

function drawRun({ text, column, style }: Run, y: number): string {
  const x = round(PADDING + column * CELL.width);
  const length = round([...text].length * CELL.width);
  const ink = BLOCKS[text[0] ?? ''];
  if (ink !== undefined) {
    const opacity = ink * (style.dim ? DIM_OPACITY : 1);
    return `<rect x="${x}" y="${y + 2}" width="${length}" height="${CELL.height - 4}" fill="${style.colour}" opacity="${round(opacity)}"/>`;
  }
  const attributes = [
    `x="${x}" y="${y + CELL.baseline}" textLength="${length}" xml:space="preserve"`,
    ...(style.colour === FOREGROUND ? [] : [`fill="${style.colour}"`]),
    ...(style.bold ? ['font-weight="bold"'] : []),
    ...(style.dim ? [`opacity="${DIM_OPACITY}"`] : []),
  ];
  return `<text ${attributes.join(' ')}>${escaped(text)}</text>`;
}

/** Pieces of one style, blanks at their ends left out: they show nothing. */
function runsOf(line: string): Run[] {
  const runs: Run[] = [];
  let style = PLAIN;
  let column = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is what a terminal is told
  for (const [piece] of line.matchAll(/\u001b\[[0-9;]*m|█+|░+|[^\u001b█░]+/g)) {
    if (piece.startsWith('\u001b')) {
      style = styled(style, piece.slice(2, -1));
      continue;
    }
    const text = piece.trim();
    const indent = piece.length - piece.trimStart().length;
    if (text !== '') runs.push({ text, column: column + indent, style });
    column += [...piece].length;
  }
  return runs;
}

function styled(style: Style, codes: string): Style {
  let after = style;
  for (const number of codes.split(';').map(Number)) after = afterCode(after, number);
  return after;
}

function afterCode(style: Style, code: number): Style {
  if (code === 0) return PLAIN;
  if (code === 1) return { ...style, bold: true };
  if (code === 2) return { ...style, dim: true };
  if (code === 22) return { ...style, bold: false, dim: false };
  const colour = code === 39 ? FOREGROUND : COLOURS[code - (code >= 90 ? 90 : 30)];
  return colour === undefined ? style : { ...style, colour };
}

function round(length: number): number {
  return Math.round(100 * length) / 100;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
