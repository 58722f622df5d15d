import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { AlternateScreen } from './terminal.ts';

class FakeTty extends EventEmitter {
  columns = 80;
  rows = 24;
  written: string[] = [];
  isFull = false;
  write(text: string): boolean {
    this.written.push(text);
    return !this.isFull;
  }
  taken(): string {
    return this.written.splice(0).join('').replaceAll('\u001b[', '^');
  }
}

let tty: FakeTty;
let screen: AlternateScreen;
beforeEach(() => {
  vi.useFakeTimers();
  tty = new FakeTty();
  screen = new AlternateScreen(tty as unknown as NodeJS.WriteStream);
  screen.enter();
  vi.advanceTimersByTime(1000);
  expect(tty.taken()).toBe('^?1049h^?25l^2J^H');
});
afterEach(() => {
  vi.useRealTimers();
});

test('only lines that changed are written, each erased before it', () => {
  screen.show(() => ['a', 'b']);
  expect(tty.taken()).toBe('^?2026h^1;1H^2Ka^0m^2;1H^2Kb^0m^?2026l');
  vi.advanceTimersByTime(200);
  screen.show(() => ['a', 'c']);
  expect(tty.taken()).toBe('^?2026h^2;1H^2Kc^0m^?2026l');
  vi.advanceTimersByTime(200);
  screen.show(() => ['a']);
  expect(tty.taken()).toBe('^?2026h^2;1H^2K^0m^?2026l');
});

test('five frames a second by themselves, and the last one is drawn', () => {
  for (let frame = 0; frame < 200; frame += 1) {
    screen.show(() => [`frame ${frame}`]);
    vi.advanceTimersByTime(10);
  }
  vi.advanceTimersByTime(200);
  expect(tty.written.length).toBeLessThanOrEqual(11);
  expect(tty.taken()).toContain('frame 199');
});

test('a key is answered at once, and ten frames a second are the most even then', () => {
  screen.show(() => ['a']);
  screen.show(() => ['by itself']);
  tty.taken();
  screen.answer();
  screen.show(() => ['answer']);
  expect(tty.taken()).toContain('answer');
  vi.advanceTimersByTime(1000);
  expect(tty.taken()).toBe('');
  for (let key = 0; key < 200; key += 1) {
    screen.answer();
    screen.show(() => [`key ${key}`]);
    vi.advanceTimersByTime(10);
  }
  vi.advanceTimersByTime(1000);
  expect(tty.written.length).toBeLessThanOrEqual(22);
  expect(tty.taken()).toContain('key 199');
});

test('a terminal that is slower than we are is waited for', () => {
  tty.isFull = true;
  screen.show(() => ['one']);
  tty.taken();
  screen.show(() => ['two']);
  vi.advanceTimersByTime(1000);
  expect(tty.taken()).toBe('');
  tty.isFull = false;
  tty.emit('drain');
  expect(tty.taken()).toContain('two');
});

test('a frame is one line less than the terminal, and drawn whole when that is resized', () => {
  tty.rows = 3;
  screen.show(() => ['a', 'b', 'c', 'd']);
  expect(tty.taken()).not.toContain('c');
  tty.rows = 4;
  tty.emit('resize');
  expect(tty.taken()).toBe('^?2026h^2J^1;1H^2Ka^0m^2;1H^2Kb^0m^3;1H^2Kc^0m^?2026l');
});

test('a frame that a resize brings about is whole', () => {
  screen.show(() => ['title', 'old']);
  screen.on('resize', () => screen.show(() => ['title', 'new']));
  vi.advanceTimersByTime(1000);
  tty.taken();
  tty.emit('resize');
  vi.advanceTimersByTime(1000);
  const [, afterErasing = ''] = tty.taken().split(/.*\^2J/s);
  expect(afterErasing).toBe('^1;1H^2Ktitle^0m^2;1H^2Knew^0m^?2026l');
});

test('leaving restores the cursor and the screen once, and nothing is drawn after it', () => {
  screen.show(() => ['a']);
  screen.show(() => ['b']);
  tty.taken();
  screen.leave();
  screen.leave();
  screen.show(() => ['c']);
  vi.advanceTimersByTime(1000);
  tty.emit('resize');
  expect(tty.taken()).toBe('^0m^?25h^?1049l');
});
