/** Whole frames, as they are on a terminal of 80 columns and 24 rows. */
import { expect, test } from 'vitest';
import { type BareEvent, BEGIN, FakeRuns, summary, viewOf } from '../../test/fixtures/fake-runs.ts';
import { denseRow, row } from '../../test/fixtures/row.ts';
import { jobDesk } from '../commands/tui/job-desk.ts';
import { drawFrame } from './draw.ts';
import { widthOf } from './line.ts';
import { painter } from './paint.ts';

function rendered(runs: FakeRuns, ascii = false): string {
  const { model, frame } = runs.ui.seen();
  const lines = painter({ ascii, color: false })(drawFrame(model, { ...frame, ascii }, runs.ui.desk));
  expect(lines.length).toBeLessThan(24);
  for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(80);
  return `\n${lines.map((text) => text.trimEnd()).join('\n')}\n`;
}

const RUN = '20261124T120000Z-small-3f2a';

test('home', () => {
  const runs = new FakeRuns();
  runs.onRuns([
    summary(RUN, { name: 'small', state: 'running', seconds: 75, tasks: { done: 1, failed: 0, total: 4 } }),
    summary('20261124T110000Z-vit-bbbb', {
      name: 'vit',
      state: 'failed',
      tasks: { done: 2, failed: 1, total: 4 },
    }),
    summary('20261124T100000Z-q-cccc', { best: 'resnet18 level 4: 1.31x, acc 91.60 %', bounds_missed: 2 }),
  ]);
  expect(rendered(runs)).toMatchInlineSnapshot(`
    "
    capstone  runs

      state         name       tasks                   age  best
    > ● running     small      ██░░░░░░░░ 1/4     1 m 15 s
      ✗ failed      vit        █████░░░░░ 2/4     1 m 15 s
      ✓ done        quickstart ██████████ 11/11   1 m 15 s  2 bounds missed; resnet…
















    Enter open  n new job  x cancel  r resume  d delete  R results  ? help  q quit
    "
  `);
  expect(rendered(runs.press('?'))).toMatchInlineSnapshot(`
    "
    capstone  runs

    Keys
      Enter →       open the run; with no run yet: start the quickstart
      n             put a job together
      x c           cancel the run: it stops at a safe point, what it has done is k…
      r             go on with a run that has ended before it was done
      d             delete the run with its logs; models and benchmark_levels.csv s…
      R             rows of all runs
      /             only runs whose id, kind, name or state hold these words
      s             another order: newest, oldest, name, state
      ↑ k ↓ j       the run before or after
      PgUp PgDn     ten up or down
      Home g End G  the first or the last
      Esc           back
      Ctrl-L        draw everything again
      Ctrl-Z        back to the shell; fg brings it back
      Ctrl-C        quit
      ?             all keys
      q             quit; runs go on


    Enter open  n new job  x cancel  r resume  d delete  R results  ? help  q quit
    "
  `);
});

const EVENTS: readonly BareEvent[] = [
  { type: 'run_started', kind: 'sweep', name: 'small', resumed: false, host: 'h', pid: 1 },
  ...['train', 'compress', 'benchmark'].map(
    (kind): BareEvent => ({
      type: 'task_planned',
      task: kind,
      kind: kind as 'train',
      label: `${kind} resnet18 on cifar10${kind === 'train' ? '' : ', classic level 1'}`,
      because: 'resnet18_cifar10.pth is not there yet',
      needs: [],
    }),
  ),
  { type: 'started', task: 'train', pid: 3, pgid: 3 },
  ...[40, 60, 71].flatMap((acc, index): BareEvent[] => {
    const metric = { type: 'metric', task: 'train', epoch: index + 1 } as const;
    return [
      { ...metric, split: 'train', values: { acc: acc - 8, loss: 2.2 - index / 2, lr: 0.05 } },
      { ...metric, split: 'test', values: { acc, loss: 2 - index / 2 } },
    ];
  }),
  {
    type: 'usage',
    task: 'train',
    cpu_percent: 187.4,
    memory_bytes: 912_345_678,
    gpu_percent: 45,
    gpu_memory_bytes: 3_221_225_472,
  },
  {
    type: 'progress',
    task: 'train',
    phase: 'train',
    done: 3700,
    total: 10_000,
    unit: 'images',
    rate: 1015,
    eta_s: 6,
  },
];
const SAID = [{ task: 'train', text: 'train resnet18 on cifar10: epoch 3: test acc 71.00 %, loss 1.00' }];

test('a run that goes on', () => {
  const runs = new FakeRuns();
  runs.onRuns([summary(RUN, { state: 'running' })]);
  runs.press('enter');
  runs.onRun({ view: viewOf(RUN, EVENTS), state: 'running', said: SAID });
  expect(rendered(runs)).toMatchInlineSnapshot(`
    "
    capstone  runs / 20261124T120000Z-small-3f2a

    ● running  sweep small  0 of 3 tasks · 1 m 15 s · resnet18 on cifar10
    workers: CPU 187 % · memory 912 MB · GPU 45 % · GPU memory 3.22 GB

    > ● train                      █████░░░░░░░░░  37 %  train  6.0 s left  1,015 i…
      · compress classic level 1   planned  resnet18_cifar10.pth is not there yet
      · benchmark classic level 1  planned  resnet18_cifar10.pth is not there yet

    test accuracy 71.00 % ··· train 63.00 %  test loss 1.00 ··· train 1.20  epoch 3
    71.00 % │                   ⢀⣀⣀⡠⠤⠤⠔⠒⠒⠊⠉  2.20 │⣀⡀⠂ ⠄ ⡀
            │           ⢀⣀⠤⠔⠒⠊⠉⠉⠁⡀ ⡀ ⠄ ⠂ ⠂        │ ⠈⠉⠑⠒⠢⠤⢄⣀⡀⠂ ⠄ ⡀
            │     ⢀⣀⠤⠔⠒⠉⠁⡀ ⠄ ⠂ ⠁                  │         ⠈⠉⠑⠒⠢⠤⢄⣀⡀⠂ ⠄ ⡀
            │⣀⠤⠔⠒⠉⠁⡀ ⠄ ⠁                          │                 ⠈⠉⠑⠒⠢⠤⢄⣀⡀⠂ ⠄ ⡀
    32.00 % │⡀ ⠄ ⠁                           1.00 │                         ⠈⠉⠑⠒⠢⠤⢄⣀

    ─ what the run says ───────────────────────────────────────────────────────────
    train resnet18 on cifar10: epoch 3: test acc 71.00 %, loss 1.00




    c cancel task  x cancel run  r retry  l log  / search  R results  ? help  q quit
    "
  `);
  expect(rendered(runs, true)).toMatchInlineSnapshot(`
    "
    capstone  runs / 20261124T120000Z-small-3f2a

    * running  sweep small  0 of 3 tasks . 1 m 15 s . resnet18 on cifar10
    workers: CPU 187 % . memory 912 MB . GPU 45 % . GPU memory 3.22 GB

    > * train                      #####---------  37 %  train  6.0 s left  1,015 i~
      . compress classic level 1   planned  resnet18_cifar10.pth is not there yet
      . benchmark classic level 1  planned  resnet18_cifar10.pth is not there yet

    test accuracy 71.00 % ... train 63.00 %  test loss 1.00 ... train 1.20  epoch 3
    71.00 % |                       *******  2.20 |. .
            |            *********** . . .        |********. .
            |    ********. . . . . .              |        ************. .
            |****. . . .                          |                    ********. . .
    32.00 % |. .                             1.00 |                            *****

    - what the run says -----------------------------------------------------------
    train resnet18 on cifar10: epoch 3: test acc 71.00 %, loss 1.00




    c cancel task  x cancel run  r retry  l log  / search  R results  ? help  q quit
    "
  `);
});

test('a run whose task failed, with its log', () => {
  const runs = new FakeRuns();
  runs.onRuns([summary(RUN, { state: 'failed' })]);
  runs.press('enter', 'l');
  const failed: BareEvent = {
    type: 'task_failed',
    task: 'train',
    code: 'worker_died',
    message: 'the worker was killed by SIGKILL',
    hint: 'The machine may have run out of memory: try a smaller batch_size.',
    exit_code: null,
    signal: 'SIGKILL',
    missing: ['result', 'done'],
    log_tail: '',
  };
  runs.onRun({ view: viewOf(RUN, [...EVENTS, failed]), state: 'failed', said: SAID });
  runs.onLines(['Traceback (most recent call last):', '\u001b[31mMemoryError\u001b[0m']);
  expect(rendered(runs)).toMatchInlineSnapshot(`
    "
    capstone  runs / 20261124T120000Z-small-3f2a

    ✗ failed  sweep small  1 of 3 tasks · resnet18 on cifar10

    > ✗ train                      failed: the worker was killed by SIGKILL
      · compress classic level 1   planned  resnet18_cifar10.pth is not there yet
      · benchmark classic level 1  planned  resnet18_cifar10.pth is not there yet

    worker_died: the worker was killed by SIGKILL
    The machine may have run out of memory: try a smaller batch_size.
    r runs it again, l shows all of its log

    ─ log of train ────────────────────────────────────────────────────────────────
    Traceback (most recent call last):
    MemoryError







    c cancel task  x cancel run  r retry  l log  / search  R results  ? help  q quit
    "
  `);
});

test('results as a table and as a scatter', () => {
  const runs = new FakeRuns();
  runs.onRuns([summary(RUN)]);
  runs.press('R');
  runs.onRows([
    row(),
    row({
      level: 3,
      compressed_acc: 91.6,
      compressed_latency_ms: 1.7,
      acc_drop: 0.6,
      speedup: 1.36,
      verdict: 'faster',
    }),
    row({
      level: 5,
      compressed_acc: 88.1,
      compressed_latency_ms: 2.9,
      acc_drop: 4.1,
      speedup: 0.8,
      verdict: 'slower',
    }),
  ]);
  expect(rendered(runs.press('down', 'space'))).toMatchInlineSnapshot(`
    "
    capstone  runs / results

    all runs · 3 rows · 1 marked
    resnet18 · cifar10 · classic · seed 0 · 32 px · cpu · Intel(R) Xeon(R) Platinum…

        level          acc %  acc drop pp   latency ms  speed-up        verdict
            1  92.20 → 92.00         0.20  2.31 → 2.30      1.00  no difference
    > ◆     3  92.20 → 91.60         0.60  2.31 → 1.70      1.36         faster
            5  92.20 → 88.10         4.10  2.31 → 2.90      0.80         slower

    ← → 1 more measures
    CI: 99 % interval. A verdict needs all of it beyond a margin of 2 %.










    v view  Space mark  = compare  / where  s sort  e export  ? help  q quit
    "
  `);
  expect(rendered(runs.press('down', 'v'))).toMatchInlineSnapshot(`
    "
    capstone  runs / results

    all runs · 3 rows · 1 marked
    resnet18 · cifar10 · classic · seed 0 · 32 px · cpu · Intel(R) Xeon(R) Platinum…

    compressed_acc (higher is better)
    92.00 % │                                   ●
            │◆
            │
            │
            │
            │
            │
            │
            │
    88.10 % │                                                                     @
            └──────────────────────────────────────────────────────────────────────
             1.700 compressed_latency_ms (lower is better)                    2.900

    @ level 5 · compressed_latency_ms 2.900 · compressed_acc 88.10 %
    ● no other row beats it   · beaten   ◆ marked   @ under the cursor   x y  other…

    v view  Space mark  = compare  / where  s sort  e export  ? help  q quit
    "
  `);
});

test('dense networks have marks of their own in the scatter', () => {
  const runs = new FakeRuns();
  runs.onRuns([summary(RUN)]);
  runs.press('R');
  runs.onRows([
    row(),
    denseRow({ model: 'resnet20', compressed_acc: 91, compressed_latency_ms: 1.1 }),
    denseRow({ model: 'resnet32', compressed_acc: 91.5, compressed_latency_ms: 3.2 }),
  ]);
  expect(rendered(runs.press('v'))).toMatchInlineSnapshot(`
    "
    capstone  runs / results

    all runs · 3 rows
    cifar10 · seed 0 · 32 px · cpu · Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz …

    compressed_acc (higher is better)
    92.00 % │                                        @
            │
            │
            │                                                                     □
            │
            │
    91.00 % │■
            └──────────────────────────────────────────────────────────────────────
             1.100 compressed_latency_ms (lower is better)                    3.200

    @ resnet18 · classic · level 1 · compressed_latency_ms 2.304 · compressed_acc 9…
    ● no other row beats it   · beaten   ◆ marked   @ under the cursor   x y  other…
    ■ □ the same of dense networks, which were never compressed
    Dense networks that a compressed one beats: resnet20 in 0 of 1, resnet32 in 1 of
    1 rows. Compressed ones that a dense one beats: 0 of 1.

    v view  Space mark  = compare  / where  s sort  e export  ? help  q quit
    "
  `);
});

test('two rows side by side', () => {
  const runs = new FakeRuns();
  runs.onRuns([summary(RUN)]);
  runs.press('R');
  runs.onRows([
    row(),
    row({ level: 5, compressed_acc: 88.1, acc_drop: 4.1, speedup: 0.8, verdict: 'slower' }),
  ]);
  expect(rendered(runs.press('space', 'down', 'space', '='))).toMatchInlineSnapshot(`
    "
    capstone  runs / results

    all runs · 2 rows · 2 marked
    resnet18 · cifar10 · classic · seed 0 · 32 px · cpu · Intel(R) Xeon(R) Platinum…

                                             A         B   B - A  better
    level                                    1         5
    original_params                   11173962  11173962       0
    compressed_params                 11173962  11173962       0
    original_nonzero                  11173962  11173962       0
    compressed_nonzero                 8939170   8939170       0
    original_sparsity                   0.0000    0.0000  0.0000
    compressed_sparsity                 0.2000    0.2000  0.0000
    original_latency_ms                  2.311     2.311   0.000
    compressed_latency_ms                2.304     2.304   0.000
    original_throughput img/s            432.7     432.7     0.0
    compressed_throughput img/s          434.0     434.0     0.0
    original_acc %                       92.20     92.20    0.00
    compressed_acc %                     92.00     88.10   -3.90  A
    original_file_size bytes          44780123  44780123       0
    compressed_file_size bytes        44780123  44780123       0

    v view  Space mark  = compare  / where  s sort  e export  ? help  q quit
    "
  `);
});

test('a form', () => {
  const runs = new FakeRuns({ desk: jobDesk('/workspace', '/workspace') });
  runs.onRuns([]);
  runs.press('n', 'right', 'down', 'enter').type('my job').press('enter');
  expect(rendered(runs.press('down', 'down', 'down'))).toMatchInlineSnapshot(`
    "
    capstone  runs / new job

    New job

        kind                train           ✗ --name: found "my job". Expected
      ✗ name                my job          letters, digits, ".", "_" and "-", 64 at
        model               resnet18        most, a letter or digit first
        dataset             fashion_mnist…
    >   seed                0               capstone train --name 'my job'
        preset              none
        epochs              25              {
        batch size          256               "version": 1,
        lr                  0.05              "kind": "train",
        weight decay        0.0005            "name": "my job"
        optimizer           sgd             }
        schedule            one_cycle
        warmup epochs       0
        augment             crop_flip
        cutout              0

    One training for each seed.

    Enter change  R run  w save  t template  Backspace default  ? help  q quit
    "
  `);
});

test('what a valid job comes to', () => {
  const runs = new FakeRuns({ desk: jobDesk('/workspace', '/workspace') });
  runs.onRuns([]);
  runs.press('n');
  const verdict = () =>
    rendered(runs)
      .split('\n')
      .slice(4, 9)
      .map((text) => text.slice(39).trim())
      .join('|');
  expect(verdict()).toContain('✓ ready to run|looking at what is there|');
  runs.onOutlook({ tasks: 11, upToDate: 0, seconds: null, untimed: 11 });
  expect(verdict()).toContain('✓ ready to run|11 tasks · time not known: none ran|before');
  runs.onOutlook({ tasks: 11, upToDate: 3, seconds: 250, untimed: 2 });
  expect(verdict()).toContain('|11 tasks, 3 up to date · about 4 m 10 s,|and 2 that never ran');
  runs.onOutlook({ tasks: 11, upToDate: 11, seconds: null, untimed: 0 });
  expect(verdict()).toContain('✓ everything is up to date: 11 tasks');
  runs.onOutlook({ refusal: 'data set "x" is not in data/. Make it' });
  expect(verdict()).toContain('✗ data set "x" is not in data/. Make it');
  expect(runs.open).toContain('outlook {"kind":"sweep","values":{}}');
  runs.press('right'); // another kind is another job
  expect(verdict()).toContain('looking at what is there');
});

test('the clock moves ages on', () => {
  const runs = new FakeRuns();
  runs.onRuns([summary(RUN, { started_at_ms: BEGIN })]);
  expect(runs.frame()).toContain('1 m 15 s');
});
