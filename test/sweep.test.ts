/** The whole program on real data with real workers: one small sweep, seen from its files. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseCsv } from '../src/results/csv.ts';
import { OrchestratorEvent, WorkerEvent } from '../src/spec/event.ts';
import { SMALL_SWEEP, temporaryFolder, Workspace } from './rig.ts';

const cache = temporaryFolder();
const sha256 = (path: string) => createHash('sha256').update(readFileSync(path)).digest('hex');
const rowsOf = (workspace: Workspace) => parseCsv(workspace.read('benchmark_levels.csv')).rows;
const compressedRows = (workspace: Workspace) =>
  rowsOf(workspace).filter(({ baseline }) => baseline === false);

const CHECKPOINT = 'checkpoints/resnet18_fashion_mnist_mini.pth';
/** The network itself beside what becomes of it: one benchmark more, and no training. */
const SWEEP = { ...SMALL_SWEEP, models: ['resnet18', { name: 'resnet18', baseline: true }] };
const artifact = (level: number) => `compressed_models/compressed_resnet18_fashion_mnist_mini_l${level}.pt`;

describe('a sweep', () => {
  const workspace = new Workspace(cache);
  const spec = workspace.write('job.json', SWEEP);
  const run = (...args: string[]) => workspace.start('run', '--spec', spec, ...args);

  beforeAll(async () => {
    const { exitCode, stderr } = await run();
    expect({ exitCode, stderr: exitCode === 0 ? '' : stderr }).toEqual({ exitCode: 0, stderr: '' });
  }, 180_000);

  test('makes every file under its name and a row for each level and batch size', () => {
    expect(
      [CHECKPOINT, artifact(1), artifact(3)].filter((file) => !existsSync(workspace.path(file))),
    ).toEqual([]);
    const rows = compressedRows(workspace);
    expect(rows.map((row) => [row.level, row.batch_size])).toEqual([
      [1, 1],
      [1, 8],
      [3, 1],
      [3, 8],
    ]);
    for (const row of rows) {
      expect(row.original_sha256).toBe(sha256(workspace.path(CHECKPOINT)));
      expect(row.artifact_sha256).toBe(sha256(workspace.path(artifact(row.level))));
      expect(row.original_file_size).toBe(readFileSync(workspace.path(CHECKPOINT)).length);
      expect(row.eval_samples).toBe(100);
      expect(row.original_latency_ms).toBeGreaterThan(0);
      expect(row.compressed_sparsity).toBeCloseTo(row.level === 1 ? 0.35 : 0.6, 2);
    }
  });

  test('measures the dense network alone, in rows that agree with those it is the original of', () => {
    const rows = rowsOf(workspace);
    const dense = rows.filter(({ baseline }) => baseline === true);
    expect(dense.map((row) => [row.recipe, row.level, row.batch_size])).toEqual([
      ['dense', 0, 1],
      ['dense', 0, 8],
    ]);
    for (const row of dense) {
      const beside = rows.find(({ level, batch_size }) => level === 1 && batch_size === row.batch_size);
      expect(row).toMatchObject({
        compressed_acc: beside?.original_acc,
        compressed_macs: beside?.original_macs,
        compressed_file_size: beside?.original_file_size,
        original_sha256: sha256(workspace.path(CHECKPOINT)),
        artifact_sha256: null,
        original_acc: null,
        speedup: null,
        acc_drop: null,
      });
      expect(row.compressed_latency_ms).toBeGreaterThan(0);
    }
  });

  test('leaves nothing half-written and no training state', () => {
    expect(readdirSync(workspace.path('checkpoints'), { recursive: true, encoding: 'utf8' }).sort()).toEqual([
      '.partial',
      'resnet18_fashion_mnist_mini.pth',
    ]);
    expect(readdirSync(workspace.path('compressed_models')).length).toBe(2);
  });

  test('logs valid events only, numbered without gaps, each task to its end', () => {
    const events = workspace.events();
    expect(events.map((event) => event['run_seq'])).toEqual(events.map((_, index) => index + 1));
    for (const { run: _run, run_seq: _seq, ...event } of events) {
      const known = WorkerEvent.safeParse(event).success || OrchestratorEvent.safeParse(event).success;
      expect(known, JSON.stringify(event)).toBe(true);
    }
    const ended = events.filter((event) => event['type'] === 'ended');
    const ends = ended.map((event) => [event['task'], event['exit_code'], event['signal']]);
    // The levels are compressed side by side: either may be there first.
    const compressed = ends.slice(1, 3).sort(([a], [b]) => String(a).localeCompare(String(b)));
    expect([ends[0], ...compressed, ...ends.slice(3)]).toEqual([
      ['train-resnet18-fashion_mnist_mini-s0', 0, null],
      ['compress-resnet18-fashion_mnist_mini-s0-classic-l1', 0, null],
      ['compress-resnet18-fashion_mnist_mini-s0-classic-l3', 0, null],
      ['benchmark-resnet18-fashion_mnist_mini-s0-classic-l1', 0, null],
      ['benchmark-resnet18-fashion_mnist_mini-s0-classic-l3', 0, null],
      ['benchmark-resnet18-fashion_mnist_mini-s0-dense', 0, null],
    ]);
    expect(events.at(-1)).toMatchObject({
      type: 'run_ended',
      outcome: 'done',
      succeeded: 6,
      foreign_lines: 0,
    });
  });

  test('the second time finds everything up to date and changes nothing', async () => {
    const before = workspace.read('benchmark_levels.csv');
    const { exitCode, stdout, stderr } = await run();
    expect(exitCode).toBe(0);
    expect(stderr).toBe(
      'fashion_mnist_mini: bundled with capstone\nEverything is up to date: 6 tasks, nothing to run.',
    );
    expect(stdout).toContain('resnet18');
    expect(workspace.read('benchmark_levels.csv')).toBe(before);
    expect(workspace.runs()).toHaveLength(1);
  });

  test('--dry-run says why each task would run', async () => {
    workspace.write('more.json', {
      ...SMALL_SWEEP,
      levels: [1, 2],
      benchmark: { ...SMALL_SWEEP.benchmark, max_eval_samples: 50 },
    });
    const { stdout } = await workspace.start('run', '--spec', 'more.json', '--dry-run');
    expect(stdout).toBe(
      [
        'up to date  train resnet18 on fashion_mnist_mini: resnet18_fashion_mnist_mini.pth is there, made with these settings and inputs',
        'up to date  compress resnet18 on fashion_mnist_mini, classic level 1: compressed_resnet18_fashion_mnist_mini_l1.pt is there, made with these settings and inputs',
        'run         compress resnet18 on fashion_mnist_mini, classic level 2: compressed_resnet18_fashion_mnist_mini_l2.pt is not there yet',
        'run         benchmark resnet18 on fashion_mnist_mini, classic level 1: not measured yet with these settings on this machine',
        'run         benchmark resnet18 on fashion_mnist_mini, classic level 2: compress-resnet18-fashion_mnist_mini-s0-classic-l2 runs before it',
        '3 of 5 tasks to run',
      ].join('\n'),
    );
  });

  test('the classic scripts by hand make the same files and the same rows', async () => {
    const byHand = new Workspace(cache);
    const data = ['--dataset', 'fashion_mnist_mini'];
    const steps = [
      byHand.script(
        'train',
        '--model',
        'resnet18',
        ...data,
        '--epochs',
        '2',
        '--batch-size',
        '64',
        '--max-train-samples',
        '256',
        '--output',
        CHECKPOINT,
      ),
    ];
    await Promise.all(steps);
    for (const level of [1, 3]) {
      const compressed = await byHand.script(
        'compress',
        '--model',
        'resnet18',
        '--checkpoint',
        CHECKPOINT,
        '--num-classes',
        '10',
        '--compression-level',
        String(level),
        '--output',
        artifact(level),
      );
      expect(compressed.exitCode, compressed.stderr).toBe(0);
    }
    const measured = await byHand.script(
      'benchmark',
      '--model',
      'resnet18',
      ...data,
      '--levels',
      '1',
      '--levels',
      '3',
      '--max-eval-samples',
      '100',
      '--batch-sizes',
      '1,8',
    );
    expect(measured.exitCode, measured.stderr).toBe(0);
    for (const file of [CHECKPOINT, artifact(1), artifact(3)]) {
      expect(sha256(byHand.path(file)), file).toBe(sha256(workspace.path(file)));
    }
    // What is timed, what timing decides, and when it was differ; everything else is the same.
    const timeless = (workspace: Workspace) =>
      compressedRows(workspace).map((row) =>
        Object.fromEntries(
          Object.entries(row).filter(
            ([name]) => !/latency|throughput|speedup|verdict|noise|best_original|^run$|timestamp/.test(name),
          ),
        ),
      );
    expect(timeless(byHand)).toEqual(timeless(workspace));
  }, 120_000);

  test('levels are measured together, and each alone where one of them cannot be read', async () => {
    const intact = readFileSync(workspace.path(artifact(3)));
    const damaged = Buffer.from(intact);
    damaged[1_000_000] = ~(damaged[1_000_000] ?? 0);
    writeFileSync(workspace.path(artifact(3)), damaged);
    const { kind: _kind, train: _train, ...benchmark } = SMALL_SWEEP;
    workspace.write('again.json', {
      ...benchmark,
      kind: 'benchmark',
      benchmark: { max_eval_samples: 50, batch_sizes: [1] },
    });
    const { exitCode, stderr } = await workspace.start('run', '--spec', 'again.json');
    writeFileSync(workspace.path(artifact(3)), intact);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('damaged');
    const of = (type: string) =>
      workspace
        .events()
        .filter((event) => event['type'] === type)
        .map((event) => String(event['task']).slice(-2));
    expect(of('started')).toEqual(['l1', 'l3', 'l1', 'l3']);
    expect(of('task_retried')).toEqual(['l1', 'l3']);
    expect(of('task_succeeded')).toEqual(['l1']);
    expect(of('task_failed')).toEqual(['l3']);
    const [row, ...others] = compressedRows(workspace).filter(({ eval_samples }) => eval_samples === 50);
    expect([row?.level, others.length]).toEqual([1, 0]);
  });
});
