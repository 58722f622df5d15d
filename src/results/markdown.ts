import { IDENTITY_COLUMNS, type Row } from '../spec/row.ts';
import { compareRows, phrases, splitIdentity } from './identity.ts';
import { LEGEND, MEASURES } from './measures.ts';
import { printable } from './printable.ts';

/** A GitHub table, one line a row, `original → compressed`; what all rows share stands below it. */
export function toMarkdown(rows: readonly Row[]): string {
  const sorted = rows.toSorted(compareRows);
  const { varying, common } = splitIdentity(sorted);
  const named = IDENTITY_COLUMNS.filter((column) => column === 'level' || varying.includes(column));
  const header = [...named.map((column) => column.replace('_', ' ')), ...MEASURES.map(({ label }) => label)];
  const body = sorted.map((row) => [
    ...named.map((column) => String(row[column])),
    ...MEASURES.map((measure) => {
      const compressed = measure.compressed(row);
      return measure.original === undefined ? compressed : `${measure.original(row)} → ${compressed}`;
    }),
  ]);
  const alignment = header.map((_, index) => (index < named.length ? '---' : '---:'));
  const lines = [header, alignment, ...body].map((cells) => `| ${cells.map(escaped).join(' | ')} |`);
  const [first] = sorted;
  const shared =
    first === undefined
      ? []
      : phrases(
          first,
          common.filter((column) => !named.includes(column)),
        );
  return `${[...lines, '', shared.map(escaped).join(' · '), '', LEGEND].join('\n')}\n`;
}

function escaped(text: string): string {
  return printable(text).replaceAll('|', '\\|');
}
