/** docs/rows.md, from the schema of a row. */
import { code, GENERATED, page, table } from './markdown.ts';
import { meaning, type Property, resolved, typeInWords } from './property.ts';

export function rowsPage(row: Property): string {
  const { properties = {}, 'x-identity': identity = [] } = resolved(row);
  const columns = Object.entries(properties);
  const isIdentity = (name: string) => identity.includes(name);
  return page(
    GENERATED,
    '# Rows',
    'One line of `benchmark_levels.csv` is one original and one artifact on one device, runtime and batch size, both ' +
      'timed in the same process. Unknown is empty, never 0; columns that nothing fills yet stay empty. The file is ' +
      'rewritten whole, sorted: the same rows give the same bytes. Numbers are rounded halves away from zero to the ' +
      'decimals below. [How rows are made and cited](reproduce.md).',
    '## Identity',
    'A newer row with the same values in all of these replaces the older. Rows are sorted by them, in this order.',
    columnTable(columns.filter(([name]) => isIdentity(name))),
    '## Measured',
    columnTable(columns.filter(([name]) => !isIdentity(name))),
  );
}

function columnTable(columns: readonly [string, Property][]): string {
  return table(
    ['Column', 'Unit', 'Decimals', 'Type', 'Meaning'],
    columns.map(([name, property]) => [
      code(name),
      property['x-unit'] ?? '',
      property['x-decimals'] === undefined ? '' : String(property['x-decimals']),
      typeInWords(property).replace(/,? or null$/, ''),
      meaning(property),
    ]),
  );
}
