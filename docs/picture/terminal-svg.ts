/**
 * What a terminal showed, as an SVG that looks the same on light and dark pages: a window of its own, one text for
 * each run of equal style, stretched to its columns so that no font moves them. By hand: the packages that do it are
 * no longer kept up, and a captured screen holds only text and SGR sequences.
 */
import { drawShapes, round, SHAPES } from './cell-shapes.ts';

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
/** An SGR sequence, shapes of one kind, or other text. */
const PIECES = new RegExp(
  ['\\u001b\\[[0-9;]*m', ...SHAPES.map((kind) => `[${kind}]+`), `[^\\u001b${SHAPES.join('')}]+`].join('|'),
  'g',
);

interface Style {
  readonly colour: string;
  readonly bold: boolean;
  readonly dim: boolean;
  /** Background and colour change places. */
  readonly inverse: boolean;
}

interface Run {
  readonly text: string;
  readonly row: number;
  readonly column: number;
  readonly style: Style;
}

export interface Screen {
  readonly title: string;
  /** Lines with SGR sequences, as `tmux capture-pane -e` prints them. */
  readonly lines: readonly string[];
}

const PLAIN: Style = { colour: FOREGROUND, bold: false, dim: false, inverse: false };

/** Screens one below the other, each in a window of so many columns. */
export function toSvg(title: string, screens: readonly Screen[], columns: number): string {
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
    `<title>${escaped(title)}</title>`,
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
    ...runsOf(lines).map(drawRun),
    '</g>',
  ].join('\n');
}

function drawRun({ text, row, column, style }: Run): string {
  const [x, y] = [PADDING + column * CELL.width, TITLE_HEIGHT + row * CELL.height];
  const opacity = style.dim ? DIM_OPACITY : 1;
  const shapes = drawShapes(text, x, y, CELL, { colour: style.colour, opacity });
  if (shapes !== undefined) return shapes;
  const length = round([...text].length * CELL.width);
  const colour = style.inverse ? BACKGROUND : style.colour;
  const attributes = [
    `x="${round(x)}" y="${y + CELL.baseline}" textLength="${length}" xml:space="preserve"`,
    ...(colour === FOREGROUND ? [] : [`fill="${colour}"`]),
    ...(style.bold ? ['font-weight="bold"'] : []),
    ...(style.dim ? [`opacity="${DIM_OPACITY}"`] : []),
  ];
  const shown = `<text ${attributes.join(' ')}>${escaped(text)}</text>`;
  if (!style.inverse) return shown;
  const behind = `<rect x="${round(x)}" y="${y}" width="${length}" height="${CELL.height}" fill="${style.colour}"/>`;
  return `${behind}\n${shown}`;
}

/** Pieces of one style, which goes on from line to line; blanks at their ends left out where they show nothing. */
function runsOf(lines: readonly string[]): Run[] {
  const runs: Run[] = [];
  let style = PLAIN;
  for (const [row, line] of lines.entries()) {
    let column = 0;
    for (const [piece] of line.matchAll(PIECES)) {
      if (piece.startsWith('\u001b')) {
        style = styled(style, piece.slice(2, -1));
        continue;
      }
      const text = style.inverse ? piece : piece.trim();
      const indent = style.inverse ? 0 : piece.length - piece.trimStart().length;
      if (text !== '') runs.push({ text, row, column: column + indent, style });
      column += [...piece].length;
    }
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
  if (code === 7) return { ...style, inverse: true };
  if (code === 22) return { ...style, bold: false, dim: false };
  if (code === 27) return { ...style, inverse: false };
  const colour = code === 39 ? FOREGROUND : COLOURS[code - (code >= 90 ? 90 : 30)];
  return colour === undefined ? style : { ...style, colour };
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
