import { expect, test } from 'vitest';
import { denseRow, row } from '../../test/fixtures/row.ts';
import { toJson } from './json.ts';
import { toMarkdown } from './markdown.ts';
import { sortLines } from './sort.ts';
import { toTable } from './table.ts';

const LEVELS = [1, 2, 3, 4, 5].map((level) => row({ level, original_latency_ms: 2.3 + 0.01 * level }));
const widest = (text: string) => Math.max(...text.split('\n').map((line) => line.length));

test('five levels stand beside their original in 100 columns', () => {
  const table = toTable(LEVELS, { width: 100 });
  expect(`\n${table}`).toMatchInlineSnapshot(`
    "
    resnet18 · cifar10 · classic

                    original        level 1        level 2        level 3        level 4        level 5
    params M            11.2           11.2           11.2           11.2           11.2           11.2
    nonzero M           11.2           8.94           8.94           8.94           8.94           8.94
    sparsity %           0.0           20.0           20.0           20.0           20.0           20.0
    file size MB        44.8           44.8           44.8           44.8           44.8           44.8
    acc %              92.20          92.00          92.00          92.00          92.00          92.00
    acc drop pp                        0.20           0.20           0.20           0.20           0.20
    acc drop CI               -0.40 to 0.80  -0.40 to 0.80  -0.40 to 0.80  -0.40 to 0.80  -0.40 to 0.80

    batch 1
    latency ms     2.31–2.35           2.30           2.30           2.30           2.30           2.30
    throughput /s        433            434            434            434            434            434
    speed-up                           1.00           1.00           1.00           1.00           1.00
    speed-up CI                0.98 to 1.02   0.98 to 1.02   0.98 to 1.02   0.98 to 1.02   0.98 to 1.02
    verdict                   no difference  no difference  no difference  no difference  no difference

    seed 0 · 32 px · cpu · Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz · torch · 2 threads
    500 test images
    CI: 99 % interval. A verdict needs all of it beyond a margin of 2 %.
    "
  `);
  expect(widest(table)).toBeLessThanOrEqual(100);
});

test('in 80 columns the levels are shared out over two bands', () => {
  const table = toTable(LEVELS, { width: 80 });
  expect(`\n${table}`).toMatchInlineSnapshot(`
    "
    resnet18 · cifar10 · classic

                    original        level 1        level 2        level 3
    params M            11.2           11.2           11.2           11.2
    nonzero M           11.2           8.94           8.94           8.94
    sparsity %           0.0           20.0           20.0           20.0
    file size MB        44.8           44.8           44.8           44.8
    acc %              92.20          92.00          92.00          92.00
    acc drop pp                        0.20           0.20           0.20
    acc drop CI               -0.40 to 0.80  -0.40 to 0.80  -0.40 to 0.80

    batch 1
    latency ms     2.31–2.35           2.30           2.30           2.30
    throughput /s        433            434            434            434
    speed-up                           1.00           1.00           1.00
    speed-up CI                0.98 to 1.02   0.98 to 1.02   0.98 to 1.02
    verdict                   no difference  no difference  no difference

                    original        level 4        level 5
    params M            11.2           11.2           11.2
    nonzero M           11.2           8.94           8.94
    sparsity %           0.0           20.0           20.0
    file size MB        44.8           44.8           44.8
    acc %              92.20          92.00          92.00
    acc drop pp                        0.20           0.20
    acc drop CI               -0.40 to 0.80  -0.40 to 0.80

    batch 1
    latency ms     2.31–2.35           2.30           2.30
    throughput /s        433            434            434
    speed-up                           1.00           1.00
    speed-up CI                0.98 to 1.02   0.98 to 1.02
    verdict                   no difference  no difference

    seed 0 · 32 px · cpu · Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz · torch
    2 threads · 500 test images
    CI: 99 % interval. A verdict needs all of it beyond a margin of 2 %.
    "
  `);
  expect(widest(table)).toBeLessThanOrEqual(80);
});

test('a block for each recipe, titled with what tells it apart; batches under each other; unknown is a dash', () => {
  const rows = [
    row({
      batch_size: 64,
      compressed_latency_ms: 51.2,
      speedup: 1.19,
      verdict: 'faster',
      noise: 'load 3.1\u001b[2J',
    }),
    row(),
    row({
      recipe: 'deploy',
      threads: 4,
      compressed_acc: null,
      acc_drop: null,
      acc_drop_low: null,
      verdict: null,
    }),
  ];
  expect(`\n${toTable(sortLines(rows, []), { width: 60 })}`).toMatchInlineSnapshot(`
    "
    resnet18 · cifar10 · classic · 2 threads

                   original        level 1
    params M           11.2           11.2
    nonzero M          11.2           8.94
    sparsity %          0.0           20.0
    file size MB       44.8           44.8
    acc %             92.20          92.00
    acc drop pp                       0.20
    acc drop CI              -0.40 to 0.80

    batch 1
    latency ms         2.31           2.30
    throughput /s       433            434
    speed-up                          1.00
    speed-up CI               0.98 to 1.02
    verdict                  no difference

    batch 64
    latency ms         2.31           51.2
    throughput /s       433            434
    speed-up                          1.19
    speed-up CI               0.98 to 1.02
    verdict                         faster

    resnet18 · cifar10 · deploy · 4 threads

                   original       level 1
    params M           11.2          11.2
    nonzero M          11.2          8.94
    sparsity %          0.0          20.0
    file size MB       44.8          44.8
    acc %             92.20             –
    acc drop pp                         –
    acc drop CI                         –

    batch 1
    latency ms         2.31          2.30
    throughput /s       433           434
    speed-up                         1.00
    speed-up CI              0.98 to 1.02
    verdict                             –

    seed 0 · 32 px · cpu
    Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz · torch
    500 test images
    CI: 99 % interval. A verdict needs all of it beyond a margin of 2 %.
    noisy: resnet18 · cifar10 · classic · level 1 · batch 64: load 3.1
    "
  `);
});

test('dense networks side by side in a block of their own, with what they say alone', () => {
  const rows = [
    row(),
    denseRow({
      model: 'resnet20',
      compressed_acc: 91.2,
      best_original_runtime: 'openvino bfloat16',
      best_original_latency_ms: 0.301,
    }),
    denseRow({ model: 'resnet32', compressed_acc: 92.1 }),
  ];
  expect(`\n${toTable(rows, { width: 60 })}`).toMatchInlineSnapshot(`
    "
    resnet18 · cifar10 · classic

                   original        level 1
    params M           11.2           11.2
    nonzero M          11.2           8.94
    sparsity %          0.0           20.0
    file size MB       44.8           44.8
    acc %             92.20          92.00
    acc drop pp                       0.20
    acc drop CI              -0.40 to 0.80

    batch 1
    latency ms         2.31           2.30
    throughput /s       433            434
    speed-up                          1.00
    speed-up CI               0.98 to 1.02
    verdict                  no difference

    cifar10 · dense

                   resnet20  resnet32
    params M           11.2      11.2
    nonzero M          8.94      8.94
    sparsity %         20.0      20.0
    file size MB       44.8      44.8
    acc %             91.20     92.10

    batch 1
    latency ms         2.30      2.30
    throughput /s       434       434
    best orig. ms      0.30         –

    seed 0 · 32 px · cpu
    Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz · torch
    2 threads · 500 test images
    CI: 99 % interval. A verdict needs all of it beyond a margin of 2 %.
    Best orig.: the original where it is fastest here without loss, in openvino bfloat16.
    "
  `);
  expect(`\n${toMarkdown(rows)}`).toMatchInlineSnapshot(`
    "
    | model | recipe | level | params M | nonzero M | sparsity % | file size MB | acc % | acc drop pp | acc drop CI | latency ms | throughput /s | speed-up | speed-up CI | verdict | best orig. ms | vs best orig. |
    | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
    | resnet18 | classic | 1 | 11.2 → 11.2 | 11.2 → 8.94 | 0.0 → 20.0 | 44.8 → 44.8 | 92.20 → 92.00 | 0.20 | -0.40 to 0.80 | 2.31 → 2.30 | 433 → 434 | 1.00 | 0.98 to 1.02 | no difference | – | – |
    | resnet20 | dense | 0 | 11.2 | 8.94 | 20.0 | 44.8 | 91.20 | – | – | 2.30 | 434 | – | – | – | 0.30 | – |
    | resnet32 | dense | 0 | 11.2 | 8.94 | 20.0 | 44.8 | 92.10 | – | – | 2.30 | 434 | – | – | – | – | – |

    cifar10 · seed 0 · 32 px · cpu · Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz · torch · 2 threads · batch 1 · 500 test images

    CI: 99 % interval. A verdict needs all of it beyond a margin of 2 %.
    Best orig.: the original where it is fastest here without loss, in openvino bfloat16.
    "
  `);
});

test('no rows', () => {
  expect(toTable([], { width: 80 })).toBe('No results.\n');
});

test('Markdown: one line a row, what they share below', () => {
  expect(`\n${toMarkdown([row({ cpu: 'a|b' }), row({ level: 2 })])}`).toMatchInlineSnapshot(`
    "
    | level | cpu | params M | nonzero M | sparsity % | file size MB | acc % | acc drop pp | acc drop CI | latency ms | throughput /s | speed-up | speed-up CI | verdict |
    | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
    | 1 | a\\|b | 11.2 → 11.2 | 11.2 → 8.94 | 0.0 → 20.0 | 44.8 → 44.8 | 92.20 → 92.00 | 0.20 | -0.40 to 0.80 | 2.31 → 2.30 | 433 → 434 | 1.00 | 0.98 to 1.02 | no difference |
    | 2 | Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz | 11.2 → 11.2 | 11.2 → 8.94 | 0.0 → 20.0 | 44.8 → 44.8 | 92.20 → 92.00 | 0.20 | -0.40 to 0.80 | 2.31 → 2.30 | 433 → 434 | 1.00 | 0.98 to 1.02 | no difference |

    resnet18 · cifar10 · classic · seed 0 · 32 px · cpu · torch · 2 threads · batch 1 · 500 test images

    CI: 99 % interval. A verdict needs all of it beyond a margin of 2 %.
    "
  `);
});

test('JSON: all columns, unknown is null', () => {
  expect(JSON.parse(toJson([row({ level: 2 }), row()]))).toEqual([row({ level: 2 }), row()]);
});

test('the best that the original can do, where rows know it', () => {
  const known = {
    best_original_runtime: 'openvino bfloat16',
    best_original_latency_ms: 0.301,
    speedup_vs_best_original: 0.08,
  };
  const lines = toTable([row(known)], { width: 100 }).split('\n');
  expect(toTable([row({})], { width: 100 })).not.toContain('orig.');
  expect(lines.filter((line) => /orig\./.test(line))).toEqual([
    'best orig. ms      0.30',
    'vs best orig.                     0.08',
    'Best orig.: the original where it is fastest here without loss, in openvino bfloat16.',
  ]);
});
