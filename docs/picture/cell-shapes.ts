/**
 * Characters that stand for a shape: bars, dots and lines. Fonts draw them with gaps between them, or not at all, so
 * that here they are drawn as what they show.
 */

export interface Cell {
  readonly width: number;
  readonly height: number;
}

export interface Ink {
  readonly colour: string;
  readonly opacity: number;
}

/** Characters by kind, as they stand between the brackets of a regular expression. */
export const SHAPES = ['█', '░', '\\u2800-\\u28ff', '─│└'] as const;

/** Share of the cell's ink. */
const BARS: Readonly<Record<string, number>> = { '█': 1, '░': 0.25 };
/** Above and below a bar. */
const MARGIN = 2;

const BRAILLE = 0x2800;
/** The bits of a braille character, by column and row of its dots. */
const DOTS = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;
const DOT_WIDTH = 2.6;

/** From the middle of the cell, in halves of it. */
const ARMS: Readonly<Record<string, readonly (readonly [across: number, down: number])[]>> = {
  '─': [
    [-1, 0],
    [1, 0],
  ],
  '│': [
    [0, -1],
    [0, 1],
  ],
  '└': [
    [0, -1],
    [1, 0],
  ],
};

/** Characters of one kind side by side, the first one's upper left corner at x and y; undefined where they are text. */
export function drawShapes(text: string, x: number, y: number, cell: Cell, ink: Ink): string | undefined {
  const characters = [...text];
  const [first = ''] = characters;
  const bar = BARS[first];
  if (bar !== undefined) {
    const [width, height] = [characters.length * cell.width, cell.height - 2 * MARGIN];
    return `<rect x="${round(x)}" y="${y + MARGIN}" width="${round(width)}" height="${height}" fill="${ink.colour}" opacity="${round(bar * ink.opacity)}"/>`;
  }
  const isLine = ARMS[first] !== undefined;
  if (!isLine && !/[\u2800-\u28ff]/.test(first)) return undefined;
  const marks = characters.map((character, index) => {
    const left = x + index * cell.width;
    return isLine ? arms(character, left, y, cell) : dots(character, left, y, cell);
  });
  const stroke = isLine ? '' : ` stroke-width="${DOT_WIDTH}" stroke-linecap="round"`;
  const opacity = ink.opacity === 1 ? '' : ` opacity="${ink.opacity}"`;
  return `<path d="${marks.join('')}" stroke="${ink.colour}"${stroke}${opacity}/>`;
}

function arms(character: string, x: number, y: number, { width, height }: Cell): string {
  const [middle, centre] = [x + width / 2, y + height / 2];
  return (ARMS[character] ?? [])
    .map(([across, down]) => {
      const length = across === 0 ? `v${(down * height) / 2}` : `h${round((across * width) / 2)}`;
      return `M${round(middle)} ${centre}${length}`;
    })
    .join('');
}

/** Lines without length, which round ends make dots. */
function dots(character: string, x: number, y: number, { width, height }: Cell): string {
  const bits = character.charCodeAt(0) - BRAILLE;
  return DOTS.flatMap((column, across) =>
    column.map((bit, down) => {
      if ((bits & bit) === 0) return '';
      return `M${round(x + ((across + 0.5) * width) / 2)} ${round(y + ((down + 0.5) * height) / 4)}h0`;
    }),
  ).join('');
}

export function round(length: number): number {
  return Math.round(100 * length) / 100;
}
