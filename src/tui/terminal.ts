/**
 * The alternate screen of a terminal. Ink hands each frame over whole; only lines that changed are written, at most
 * ten frames in any second, and the answer to a key before all else. Ink's own writer erases by counting lines, which leaves pieces behind when a terminal is
 * resized under it, and knows no alternate screen.
 */
import { EventEmitter } from 'node:events';

/** Between frames that nobody has asked for: half of what may be drawn is left for answers to keys. */
const FRAME_MS = 200;
const FRAMES_A_S = 10;
const ESC = '\u001b[';
const ENTER = `${ESC}?1049h${ESC}?25l${ESC}2J${ESC}H`;
/** Attributes off, cursor back, the screen that was there before. */
const LEAVE = `${ESC}0m${ESC}?25h${ESC}?1049l`;
/** Terminals that know it draw what stands between in one go; others ignore it. */
const BEGIN = `${ESC}?2026h`;
const END = `${ESC}?2026l`;

export class AlternateScreen extends EventEmitter {
  /** Ink asks before it hides the cursor. */
  readonly isTTY = true;
  readonly #stdout: NodeJS.WriteStream;
  #wanted: readonly string[] = [];
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
    this.#drawn = [];
    this.emit('resize');
    this.#draw(ESC.concat('2J'));
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

  /** A whole frame, as Ink writes it in debug mode; what else it writes are the cursor's escape codes. */
  write(frame: string): boolean {
    if (frame.startsWith(ESC.concat('?25')) || frame === '\n') return true;
    this.#wanted = frame.split('\n');
    this.#soon();
    return true;
  }

  redraw(): void {
    this.#drawn = [];
    if (this.#wanted.length > 0) this.#draw(`${ESC}2J`);
  }

  /** The next frame is what a person waits for. */
  answer(): void {
    this.#isAnswering = true;
  }

  #soon(): void {
    if (!this.#isOpen || this.#isFull) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const tenthLast = this.#drawnAt.at(-FRAMES_A_S);
    const allowedAt = tenthLast === undefined ? 0 : tenthLast + 1000;
    const wantedAt = this.#isAnswering ? 0 : (this.#drawnAt.at(-1) ?? 0) + FRAME_MS;
    const wait = Math.max(allowedAt, wantedAt) - Date.now();
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
    if (!this.#isOpen) return;
    const lines = this.#wanted.slice(0, this.rows - 1);
    const changed: string[] = [];
    for (let row = 0; row < Math.max(lines.length, this.#drawn.length); row += 1) {
      const text = lines[row] ?? '';
      if (text === this.#drawn[row]) continue;
      // Erased before it is written: a full line leaves the cursor on its last column, which erasing would take.
      changed.push(`${ESC}${row + 1};1H${ESC}2K${text}${ESC}0m`);
    }
    this.#drawn = lines;
    if (changed.length === 0 && first === '') return;
    this.#isAnswering = false;
    this.#drawnAt = [...this.#drawnAt.slice(1 - FRAMES_A_S), Date.now()];
    this.#isFull = !this.#stdout.write(`${BEGIN}${first}${changed.join('')}${END}`);
  }
}
