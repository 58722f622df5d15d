/**
 * The alternate screen of a terminal. Frames are handed over whole; only lines that changed are written, at most ten
 * frames in any second, and the answer to a key before all else.
 */
import { EventEmitter } from 'node:events';

const FRAMES_A_S = 10;
/** Of which no key was waiting for: the rest is left for answers. */
const OWN_FRAMES_A_S = 5;
/** What comes at the same time is one frame. */
const TOGETHER_MS = 30;
const ESC = '\u001b[';
const ENTER = `${ESC}?1049h${ESC}?25l${ESC}2J${ESC}H`;
/** Attributes off, cursor back, the screen that was there before. */
const LEAVE = `${ESC}0m${ESC}?25h${ESC}?1049l`;
/** Terminals that know it draw what stands between in one go; others ignore it. */
const BEGIN = `${ESC}?2026h`;
const END = `${ESC}?2026l`;

export class AlternateScreen extends EventEmitter {
  readonly #stdout: NodeJS.WriteStream;
  #wanted: (() => readonly string[]) | undefined;
  #drawn: readonly string[] = [];
  /** When the last frames were written, newest last. */
  #drawnAt: readonly number[] = [];
  /** A key was pressed, and the next frame answers it. */
  #isAnswering = false;
  #timer: NodeJS.Timeout | undefined;
  #isOpen = false;
  /** The terminal is slower than we are: frames are skipped until it has caught up. */
  #isFull = false;
  readonly #onResize = () => {
    this.emit('resize');
    // Whatever was drawn in answer to that is erased with the rest, and drawn again.
    this.redraw();
  };
  readonly #onDrain = () => {
    this.#isFull = false;
    this.#soon();
  };

  constructor(stdout: NodeJS.WriteStream) {
    super();
    this.#stdout = stdout;
  }

  get columns(): number {
    return this.#stdout.columns || 80;
  }

  get rows(): number {
    return this.#stdout.rows || 24;
  }

  enter(): void {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#stdout.write(ENTER);
    this.#stdout.on('resize', this.#onResize);
    this.#stdout.on('drain', this.#onDrain);
    this.redraw();
  }

  /** May be called at any time, and more than once: the terminal is as it was. */
  leave(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#stdout.off('resize', this.#onResize);
    this.#stdout.off('drain', this.#onDrain);
    this.#stdout.write(LEAVE);
  }

  /** A whole frame, line by line; asked for when it is drawn, and not at all where another comes before it. */
  show(frame: () => readonly string[]): void {
    this.#wanted = frame;
    this.#soon();
  }

  redraw(): void {
    this.#drawn = [];
    this.#draw(`${ESC}2J`);
  }

  /** The next frame is what a person waits for. */
  answer(): void {
    this.#isAnswering = true;
  }

  #soon(): void {
    if (!this.#isOpen || this.#isFull) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { length } = this.#drawnAt;
    const afterASecond = (frames: number) => (this.#drawnAt[length - frames] ?? 0) + 1000;
    const at = this.#isAnswering
      ? afterASecond(FRAMES_A_S)
      : Math.max(afterASecond(OWN_FRAMES_A_S), (this.#drawnAt[length - 1] ?? 0) + TOGETHER_MS);
    const wait = at - Date.now();
    if (wait <= 0) {
      this.#draw();
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#draw();
    }, wait);
  }

  #draw(first = ''): void {
    if (!this.#isOpen || this.#wanted === undefined) return;
    const lines = this.#wanted().slice(0, this.rows - 1);
    const changed: string[] = [];
    for (let row = 0; row < Math.max(lines.length, this.#drawn.length); row += 1) {
      const text = lines[row] ?? '';
      if (text === this.#drawn[row]) continue;
      // Erased before it is written: a full line leaves the cursor on its last column, which erasing would take.
      changed.push(`${ESC}${row + 1};1H${ESC}2K${text}${ESC}0m`);
    }
    this.#drawn = lines;
    this.#isAnswering = false;
    if (changed.length === 0 && first === '') return;
    this.#drawnAt = [...this.#drawnAt.slice(1 - FRAMES_A_S), Date.now()];
    this.#isFull = !this.#stdout.write(`${BEGIN}${first}${changed.join('')}${END}`);
  }
}
