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
    '## Dense networks',
    'A model with `"baseline": true` in a job is a dense network of its own, measured alone: what one would use without ' +
      'compressing anything. Its rows have the recipe `dense`, level 0 and `baseline` true. It stands where an artifact ' +
      'would, in `compressed_X`, so that `--pareto`, `--sort`, `--where`, `--over seed`, `--compare` and the scatter hold ' +
      'both alike: `capstone results --pareto compressed_acc,compressed_file_size`. `compressed_file_size` is that of its ' +
      'checkpoint, fp32 weights; `original_sha256` that file’s. `eager_latency_ms` and `best_original_X` say what ' +
      'this network does in torch eager and in the runtime that is best for it. Columns that compare an artifact with ' +
      `its original are empty, since nothing is compared with itself: ${comparisons(columns)}. A bound in \`require\` ` +
      'that names one of them is not asked of such a row; any other is.',
    '## Identity',
    'A newer row with the same values in all of these replaces the older. Rows are sorted by them, in this order.',
    columnTable(columns.filter(([name]) => isIdentity(name))),
    '## Measured',
    columnTable(columns.filter(([name]) => !isIdentity(name))),
  );
}

function comparisons(columns: readonly [string, Property][]): string {
  const names = columns.filter(([, property]) => property['x-comparison'] === true).map(([name]) => name);
  const others = names.filter((name) => !name.startsWith('original_'));
  return [code('original_X'), ...others.map(code)].join(', ');
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
