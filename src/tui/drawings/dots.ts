/** A canvas of dots in braille characters, two by four a column, or of one character a column where braille is not to be had. */
const DOTS = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;
const BRAILLE = 0x2800;

export class Dots {
  readonly #width: number;
  readonly #height: number;
  readonly #ascii: boolean;
  readonly #cells: number[];

  constructor(width: number, height: number, ascii: boolean) {
    this.#width = width;
    this.#height = height;
    this.#ascii = ascii;
    this.#cells = new Array<number>(width * height).fill(0);
  }

  /** Dots across and down; the last ones are one less. */
  get across(): number {
    return this.#ascii ? this.#width : 2 * this.#width;
  }

  get down(): number {
    return this.#ascii ? this.#height : 4 * this.#height;
  }

  set(x: number, y: number): void {
    if (x < 0 || y < 0 || x >= this.across || y >= this.down) return;
    const [column, row, bit] = this.#ascii
      ? [x, y, 1]
      : [x >> 1, y >> 2, DOTS[(x & 1) as 0 | 1][(y & 3) as 0 | 1 | 2 | 3]];
    const index = row * this.#width + column;
    this.#cells[index] = (this.#cells[index] ?? 0) | bit;
  }

  rows(): string[] {
    return Array.from({ length: this.#height }, (_, row) =>
      this.#cells
        .slice(row * this.#width, (row + 1) * this.#width)
        .map((bits) => (bits === 0 ? ' ' : this.#ascii ? '*' : String.fromCharCode(BRAILLE + bits)))
        .join(''),
    );
  }
}
