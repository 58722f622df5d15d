import type { Span } from '../line.ts';

/** A bar of so many columns, full up to a share of 1. */
export function bar(fraction: number, width: number): Span[] {
  const full = Math.floor(Math.max(0, Math.min(1, fraction)) * width);
  return [
    { text: '█'.repeat(full), tone: 'accent' },
    { text: '░'.repeat(width - full), tone: 'dim' },
  ];
}
