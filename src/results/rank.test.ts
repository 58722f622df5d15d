/** Rows put in order, thinned out, averaged and set side by side. */
import { describe, expect, test } from 'vitest';
import { refusal } from '../../test/fixtures/refusal.ts';
import { denseRow, row } from '../../test/fixtures/row.ts';
import { besideDense } from './beside-dense.ts';
import { bestInAWord } from './best.ts';
import { comparisonToCsv, comparisonToJson, comparisonToMarkdown, comparisonToTable } from './compare.ts';
import { toList } from './list.ts';
import { toMarkdown } from './markdown.ts';
import { overSeeds, overSeedsToCsv, overSeedsToJson } from './over-seeds.ts';
import { frontier, parsePareto } from './pareto.ts';
import { expressionGiven, onlyRow } from './select.ts';
import { parseSort, sortLines } from './sort.ts';
import { toTable } from './table.ts';

describe('sorting', () => {
  test('by several columns, unknown last either way, equals by identity', () => {
    const rows = [
      row({ level: 4, speedup: null }),
      row({ level: 3, speedup: 1.5 }),
      row({ level: 2, speedup: 1.5 }),
      row({ level: 1, speedup: 2 }),
    ];
    const levels = (sort: string) => sortLines(rows, parseSort(sort)).map(({ level }) => level);
    expect(levels('speedup')).toEqual([2, 3, 1, 4]);
    expect(levels('-speedup')).toEqual([1, 2, 3, 4]);
    expect(levels('-speedup, -level')).toEqual([1, 3, 2, 4]);
    expect(levels('model')).toEqual([1, 2, 3, 4]);
  });

  test('an unknown column is refused with the nearest', () => {
    expect(refusal(() => parseSort('level,-speedp'))).toEqual([
      'column_unknown',
      '--sort: unknown column "speedp"',
      'Did you mean "speedup"?',
    ]);
    expect(refusal(() => parseSort('quality'))).toEqual([
      'column_unknown',
      '--sort: unknown column "quality"',
      'Every column with its meaning: capstone schema row',
    ]);
  });
});

describe('the frontier', () => {
  const at = (level: 1 | 2 | 3 | 4 | 5, acc: number | null, latency: number, change = {}) =>
    row({ level, compressed_acc: acc, compressed_latency_ms: latency, ...change });

  test('keeps what no other row beats, equals too; what is unknown cannot be compared', () => {
    const rows = [at(1, 92, 3), at(2, 91, 2), at(3, 90.9, 2.5), at(4, 91, 2, { seed: 1 }), at(5, null, 1)];
    const found = frontier(rows, parsePareto('compressed_acc,compressed_latency_ms'));
    expect(found).toEqual({ lines: [rows[0], rows[1], rows[3]], dominated: 1, unknown: 1 });
  });

  test('compares only what was measured alike', () => {
    const rows = [
      at(1, 92, 3),
      at(2, 91, 4, { batch_size: 64 }),
      at(2, 91, 4, { threads: 1 }),
      at(2, 91, 4, { dataset: 'cifar100' }),
      at(2, 91, 4, { cpu: 'another' }),
      at(2, 91, 4, { recipe: 'deploy', seed: 3 }),
    ];
    expect(frontier(rows, parsePareto('compressed_latency_ms,compressed_acc')).dominated).toBe(1);
  });

  test('holds dense networks and compressed ones alike, and says who beats whom', () => {
    const goals = parsePareto('compressed_acc,compressed_latency_ms');
    const dense = (model: string, acc: number | null, latency: number, change = {}) =>
      denseRow({ model, compressed_acc: acc, compressed_latency_ms: latency, ...change });
    const rows = [
      at(1, 92, 3),
      at(2, 88, 2),
      dense('resnet20', 91, 1.5),
      dense('resnet32', 91.5, 4),
      dense('resnet32', 91.5, 40, { batch_size: 64 }),
      at(1, 92, 50, { batch_size: 64 }),
      dense('resnet44', null, 5),
      dense('resnet56', 93, 9, { runtime: 'openvino' }),
    ];
    expect(frontier(rows, goals).lines).toEqual([rows[0], rows[2], rows[4], rows[5], rows[7]]);
    expect(besideDense(rows, goals)).toBe(
      'Dense networks that a compressed one beats: resnet20 in 0 of 1, resnet32 in 1 of 2 rows. Compressed ones that a dense one beats: 1 of 3.',
    );
    expect(besideDense(rows.slice(0, 2), goals)).toBeUndefined();
    expect(besideDense(rows.slice(2, 5), goals)).toBeUndefined();
  });

  test('needs two columns that get better', () => {
    expect(refusal(() => parsePareto('speedup'))).toEqual([
      'pareto_columns',
      '--pareto: expected two columns or more, found "speedup"',
      'For example: --pareto compressed_acc,compressed_latency_ms',
    ]);
    const [code, message, next] = refusal(() => parsePareto('speedup,cpu')) ?? [];
    expect([code, message]).toEqual(['pareto_columns', '--pareto: no value of cpu is better than another']);
    expect(next).toMatch(/^Columns that get better: original_params, compressed_params, .*, acc_drop_high$/);
    expect(refusal(() => parsePareto('speedup,acc'))).toEqual([
      'column_unknown',
      '--pareto: unknown column "acc"',
      'Every column with its meaning: capstone schema row',
    ]);
  });
});

describe('over seeds', () => {
  const ROWS = [
    row({ seed: 2, compressed_acc: 91, speedup: 1.4, verdict: 'faster' }),
    row({ seed: 0, compressed_acc: 92, speedup: 1.2, verdict: 'faster' }),
    row({ seed: 1, compressed_acc: 93, speedup: 1.0, size_ratio: 2 }),
    row({ level: 2 }),
  ];

  test('mean, deviation and number; intervals are left out, verdicts counted, one seed has no deviation', () => {
    expect(`\n${toTable(overSeeds(ROWS), { width: 100 })}`).toMatchInlineSnapshot(`
      "
      resnet18 · cifar10 · classic · seeds 0, 1, 2

                             original                    level 1
      params M        11.2 ± 0.00 (3)            11.2 ± 0.00 (3)
      nonzero M       11.2 ± 0.00 (3)            8.94 ± 0.00 (3)
      sparsity %        0.0 ± 0.0 (3)             20.0 ± 0.0 (3)
      file size MB    44.8 ± 0.00 (3)            44.8 ± 0.00 (3)
      acc %          92.20 ± 0.00 (3)           92.00 ± 1.00 (3)
      acc drop pp                                0.20 ± 0.00 (3)

      batch 1
      latency ms      2.31 ± 0.00 (3)            2.30 ± 0.00 (3)
      throughput /s    433 ± 0.00 (3)             434 ± 0.00 (3)
      speed-up                                   1.20 ± 0.20 (3)
      verdict                          2 faster, 1 no difference

      resnet18 · cifar10 · classic · seed 0

                          original          level 2
      params M        11.2 ± – (1)     11.2 ± – (1)
      nonzero M       11.2 ± – (1)     8.94 ± – (1)
      sparsity %       0.0 ± – (1)     20.0 ± – (1)
      file size MB    44.8 ± – (1)     44.8 ± – (1)
      acc %          92.20 ± – (1)    92.00 ± – (1)
      acc drop pp                      0.20 ± – (1)

      batch 1
      latency ms      2.31 ± – (1)     2.30 ± – (1)
      throughput /s    433 ± – (1)      434 ± – (1)
      speed-up                         1.00 ± – (1)
      verdict                       1 no difference

      32 px · cpu · Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz · torch · 2 threads · 500 test images
      Mean ± sample standard deviation (seeds). A verdict needs a 99 % interval beyond a margin of 2 %.
      "
    `);
    expect(`\n${toMarkdown(overSeeds(ROWS.slice(0, 3)))}`).toMatchInlineSnapshot(`
      "
      | level | params M | nonzero M | sparsity % | file size MB | acc % | acc drop pp | latency ms | throughput /s | speed-up | verdict |
      | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
      | 1 | 11.2 ± 0.00 (3) → 11.2 ± 0.00 (3) | 11.2 ± 0.00 (3) → 8.94 ± 0.00 (3) | 0.0 ± 0.0 (3) → 20.0 ± 0.0 (3) | 44.8 ± 0.00 (3) → 44.8 ± 0.00 (3) | 92.20 ± 0.00 (3) → 92.00 ± 1.00 (3) | 0.20 ± 0.00 (3) | 2.31 ± 0.00 (3) → 2.30 ± 0.00 (3) | 433 ± 0.00 (3) → 434 ± 0.00 (3) | 1.20 ± 0.20 (3) | 2 faster, 1 no difference |

      resnet18 · cifar10 · classic · seeds 0, 1, 2 · 32 px · cpu · Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz · torch · 2 threads · batch 1 · 500 test images

      Mean ± sample standard deviation (seeds). A verdict needs a 99 % interval beyond a margin of 2 %.
      "
    `);
  });

  test('a dense network stays one', () => {
    const seeds = [0, 1].map((seed) => denseRow({ seed, compressed_acc: 90 + seed }));
    expect(overSeeds(seeds)).toMatchObject([
      { baseline: true, recipe: 'dense', level: 0, compressed_acc: 90.5, original_acc: null },
    ]);
    expect(toList(overSeeds(seeds), []).split('\n').slice(0, 2)).toEqual([
      'level     file size MB             acc %       latency ms',
      '    0  44.8 ± 0.00 (2)  90.50 ± 0.71 (2)  2.30 ± 0.00 (2)',
    ]);
  });

  test('as CSV and JSON: X_mean and X_sd, n, seeds, verdicts counted; unknown for one seed is unknown', () => {
    const [header = '', first = ''] = overSeedsToCsv(overSeeds(ROWS)).split('\n');
    const cells = first.split(',');
    const csv = Object.fromEntries(header.split(',').map((name, index) => [name, cells[index]]));
    const chosen = (record: Record<string, unknown>) =>
      [
        'level',
        'n',
        'seeds',
        'compressed_acc_mean',
        'compressed_acc_sd',
        'speedup_mean',
        'speedup_sd',
        'size_ratio_mean',
        'size_ratio_sd',
        'verdict_faster',
        'verdict_slower',
        'verdict_no_difference',
      ].map((name) => record[name]);
    expect(header).not.toMatch(/acc_drop_low|speedup_high|mcnemar_p|sha256|timestamp|,seed,/);
    expect(chosen(csv)).toEqual([
      '1',
      '3',
      '0 1 2',
      '92.000',
      '1.000',
      '1.2000',
      '0.2000',
      '',
      '',
      '2',
      '0',
      '1',
    ]);
    const [json = {}] = JSON.parse(overSeedsToJson(overSeeds(ROWS))) as Record<string, unknown>[];
    expect(chosen(json)).toEqual([1, 3, [0, 1, 2], 92, 1, 1.2, 0.2, null, null, 2, 0, 1]);
  });
});

test('a list has one line a row, what was ranked by, and what all share below', () => {
  const rows = [
    row({ level: 3, speedup: 1.5, verdict: 'faster', compressed_throughput: 650.25 }),
    row({ level: 1, recipe: 'deploy', compressed_acc: null, compressed_throughput: null }),
  ];
  expect(`\n${toList(rows, ['compressed_throughput', 'speedup', 'level'])}`).toMatchInlineSnapshot(`
    "
    recipe   level  file size MB  acc %  acc drop pp  latency ms  speed-up  verdict        compressed_throughput
    classic      3          44.8  92.00         0.20        2.30      1.50  faster                         650.3
    deploy       1          44.8      –         0.20        2.30      1.00  no difference                      –

    resnet18 · cifar10 · seed 0 · 32 px · cpu · Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz · torch · 2 threads · batch 1 · 500 test images
    CI: 99 % interval. A verdict needs all of it beyond a margin of 2 %.
    "
  `);
  expect(toList([], ['speedup'])).toBe('No results.\n');
});

describe('comparing', () => {
  const a = row({ compressed_dtype: 'float32', noise: 'load 3.1' });
  const b = row({ level: 5, compressed_dtype: 'int8', compressed_latency_ms: 1.75, compressed_acc: null });

  test('two rows side by side, in words and numbers', () => {
    expect(`\n${comparisonToTable(a, b)}`).toMatchInlineSnapshot(`
      "
                                          A         B   B - A  better
      level                               1         5
      original_params              11173962  11173962       0
      compressed_params            11173962  11173962       0
      original_nonzero             11173962  11173962       0
      compressed_nonzero            8939170   8939170       0
      original_sparsity              0.0000    0.0000  0.0000
      compressed_sparsity            0.2000    0.2000  0.0000
      original_latency_ms             2.311     2.311   0.000
      compressed_latency_ms           2.304     1.750  -0.554  B
      original_throughput img/s       432.7     432.7     0.0
      compressed_throughput img/s     434.0     434.0     0.0
      original_acc %                  92.20     92.20    0.00
      compressed_acc %                92.00         –
      original_file_size bytes     44780123  44780123       0
      compressed_file_size bytes   44780123  44780123       0
      compressed_dtype              float32      int8
      speedup x                       1.003     1.003   0.000
      speedup_low x                   0.981     0.981   0.000
      speedup_high x                  1.022     1.022   0.000
      acc_drop points                  0.20      0.20    0.00
      acc_drop_low points             -0.40     -0.40    0.00
      acc_drop_high points             0.80      0.80    0.00

      resnet18 · cifar10 · classic · seed 0 · 32 px · cpu · Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz · torch · 2 threads · batch 1 · 500 test images
      noisy: A: load 3.1
      Two tasks timed them, at different times: only a speed-up, each of the same task as its original, has an interval.
      "
    `);
    expect(comparisonToMarkdown(a, b).split('\n').slice(0, 4)).toEqual([
      '| column | A | B | B - A | better |',
      '| --- | ---: | ---: | ---: | --- |',
      '| level | 1 | 5 |  |  |',
      '| original_params | 11173962 | 11173962 | 0 |  |',
    ]);
    expect(comparisonToCsv(a, b).split('\n')).toContain('compressed_latency_ms,2.304,1.750,-0.554,b');
    const json = JSON.parse(comparisonToJson(a, b)) as { a: unknown; b: unknown; compared: object };
    expect([json.a, json.b]).toEqual([a, b]);
    expect(json.compared).toMatchObject({ compressed_acc: { difference: null, better: null } });
  });

  test('a condition has to name one row', () => {
    const rows = [a, b, row({ level: 5, batch_size: 64 })];
    expect(onlyRow(rows, 'level=1', '--compare')).toBe(a);
    expect(refusal(() => onlyRow(rows, 'level=5 or level=4', '--compare'))).toEqual([
      'row_ambiguous',
      '--compare "level=5 or level=4" matches 2 rows, not one:\n  batch 1\n  batch 64',
      'Say which, for example: (level=5 or level=4) and batch_size=1',
    ]);
    expect(refusal(() => onlyRow(rows, 'level=2', '--compare'))).toEqual([
      'row_missing',
      '--compare "level=2" matches none of 3 rows',
      'See them all: capstone results --format md',
    ]);
    expect(refusal(() => expressionGiven('level=', '--where'))).toEqual([
      'condition_invalid',
      '--where is no condition on a row:\n  level=\n        ^ level is compared with a value, found nothing more',
      'For example: model=resnet18 and level>=3 and acc_drop<=0.5',
    ]);
  });
});

test('the best of a run in a word: the fastest of those whose verdict says so', () => {
  expect(bestInAWord([])).toBe(null);
  expect(bestInAWord([denseRow()])).toBe(null);
  expect(bestInAWord([row({ speedup: 3 })])).toBe('no level is faster');
  expect(
    bestInAWord([
      row({ level: 2, verdict: 'faster', speedup: 1.2 }),
      row({ level: 4, verdict: 'faster', speedup: 1.309, compressed_acc: 91.6 }),
      row({ level: 5, speedup: 9 }),
    ]),
  ).toBe('resnet18 level 4: 1.31x, acc 91.60 %');
});
