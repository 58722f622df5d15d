import { IDENTITY_COLUMNS } from '../spec/row.ts';
import { identityCell, phrases, splitIdentity } from './identity.ts';
import type { Line } from './line.ts';
import { inOneCell, legendFor, measuresFor } from './measures.ts';
import { printable } from './printable.ts';

/** A GitHub table in the order of the rows, one line each, `original → compressed`, of a dense network the one figure; what all rows share stands below it. */
export function toMarkdown(rows: readonly Line[]): string {
  const { varying, common } = splitIdentity(rows);
  const named = IDENTITY_COLUMNS.filter((column) => column === 'level' || varying.includes(column));
  const measures = measuresFor(rows);
  const header = [...named.map((column) => column.replace('_', ' ')), ...measures.map(({ label }) => label)];
  const body = rows.map((row) => [
    ...named.map((column) => identityCell(row, column)),
    ...measures.map((measure) => inOneCell(measure, row)),
  ]);
  const alignment = header.map((_, index) => (index < named.length ? '---' : '---:'));
  const lines = [header, alignment, ...body].map((cells) => `| ${cells.map(escaped).join(' | ')} |`);
  const [first] = rows;
  const shared =
    first === undefined
      ? []
      : phrases(
          first,
          common.filter((column) => !named.includes(column)),
        );
  return `${[...lines, '', shared.map(escaped).join(' · '), '', legendFor(rows)].join('\n')}\n`;
}

export function escaped(text: string): string {
  return printable(text).replaceAll('|', '\\|');
}
