/** Checks as lines: a mark, what was looked at, what was found, and below it what to do. */
import picocolors from 'picocolors';
import { type Check, isReady } from '../python/doctor.ts';
import { printable } from '../results/printable.ts';

const MARKS = { ok: '✓', warning: '!', problem: '✗' } as const;

export function drawChecks(checks: readonly Check[], { color }: { color: boolean }): string {
  const colors = picocolors.createColors(color);
  const paint = { ok: colors.green, warning: colors.yellow, problem: colors.red };
  const width = Math.max(...checks.map(({ title }) => title.length));
  const lines = checks.flatMap(({ status, title, detail, next }) => [
    `${paint[status](MARKS[status])} ${title.padEnd(width)}  ${printable(detail)}`,
    ...next.map((step) => `${' '.repeat(width + 4)}${printable(step)}`),
  ]);
  return `${lines.join('\n')}\n\n${verdict(checks)}\n`;
}

function verdict(checks: readonly Check[]): string {
  const count = (status: Check['status']) => checks.filter((check) => check.status === status).length;
  const warnings = count('warning');
  const warned = warnings === 0 ? '' : `, with ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}`;
  if (isReady(checks)) return `Ready: a job can run${warned}.`;
  const problems = count('problem');
  return `Not ready: ${problems} ${problems === 1 ? 'problem' : 'problems'} to mend first${warned}.`;
}
