/** Runs seen and steered from other processes than their own, with real workers on real data. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { follow, temporaryFolder, until, Workspace } from './rig.ts';

const cache = temporaryFolder();
const MODEL = 'resnet18-fashion_mnist_mini';
const LABEL = 'resnet18 on fashion_mnist_mini';

const is = (type: string, task: string) => (event: Record<string, unknown>) =>
  event['type'] === type && event['task'] === task;

describe('a sweep over two seeds whose first training is killed', () => {
  const workspace = new Workspace(cache).makeSmallDataset();
  const capstone = (...args: string[]) => workspace.start(...args);
  let id = '';
  let asked = '';
  let exitCode: number | undefined;

  beforeAll(async () => {
    const spec = workspace.write('job.json', {
      version: 1,
      kind: 'sweep',
      name: 'seeds',
      seeds: [0, 1],
      levels: [1, 3],
      train: { epochs: 3, batch_size: 64, max_train_samples: 512, eval_every: 3, threads: 1 },
      benchmark: { max_eval_samples: 100, batch_sizes: [1], threads: 1 },
      require: ['compressed_params>1', 'level=1 or compressed_sparsity>=0.9'],
    });
    const program = capstone('run', '--spec', spec, '--json');
    const seen = follow(program);
    const first = `train-${MODEL}-s0`;
    await until(() => seen.some(is('metric', first)));
    process.kill(Number(seen.find(is('started', first))?.['pid']), 'SIGKILL');
    await until(() => seen.some(is('task_failed', first)) && seen.some(is('started', `train-${MODEL}-s1`)));
    asked = (await capstone('runs', 'retry', 'latest', first)).stderr;
    ({ exitCode } = await program);
    [id = ''] = workspace.runs();
  }, 300_000);

  test('trains again what was asked for, goes on with what needed it, and says which bounds were missed', () => {
    expect(asked).toBe(`Asked run ${id} to run train-${MODEL}-s0 again.`);
    const events = workspace.events();
    const retried = events.filter((event) => event['type'] === 'task_retried');
    expect(retried.map((event) => event['task'])).toEqual([
      `train-${MODEL}-s0`,
      `compress-${MODEL}-s0-classic-l1`,
      `compress-${MODEL}-s0-classic-l3`,
      `benchmark-${MODEL}-s0-classic-l1`,
      `benchmark-${MODEL}-s0-classic-l3`,
    ]);
    expect(events.at(-1)).toMatchObject({
      type: 'run_ended',
      outcome: 'done',
      succeeded: 10,
      failed: 0,
      cancelled: 0,
      bounds_missed: 2,
    });
    expect(exitCode).toBe(4);
  });

  test('results over seeds', async () => {
    const { stdout } = await capstone('results', '--over', 'seed', '--format', 'json');
    const lines = JSON.parse(stdout) as Record<string, unknown>[];
    expect(lines.map(({ level, n, seeds }) => ({ level, n, seeds }))).toEqual([
      { level: 1, n: 2, seeds: [0, 1] },
      { level: 3, n: 2, seeds: [0, 1] },
    ]);
    const table = await capstone('results', '--over', 'seed');
    expect(table.stdout).toMatch(/\nacc % +\d+\.\d\d ± \d+\.\d\d \(2\) /);
    expect(table.stdout).toMatch(/\nseeds 0, 1 · 32 px · cpu · /);
  });

  test('results of one run, chosen, ranked, compared', async () => {
    const chosen = ['--run', 'seeds', '--where', 'seed=1', '--where', 'level>1 or level=1'];
    const { stdout } = await capstone('results', ...chosen, '--sort', '-level', '--format', 'csv');
    expect(stdout.split('\n').map((line) => line.split(',').slice(0, 5).join(','))).toEqual([
      'model,dataset,recipe,level,seed',
      'resnet18,fashion_mnist_mini,classic,3,1',
      'resnet18,fashion_mnist_mini,classic,1,1',
    ]);
    const frontier = await capstone('results', ...chosen, '--pareto', 'compressed_nonzero,compressed_params');
    expect(frontier.stderr).toBe(
      'By compressed_nonzero (lower is better) and compressed_params (lower is better): 1 rows that no other beats, 1 beaten.',
    );
    const compared = await capstone(
      'results',
      ...chosen,
      '--compare',
      'level=1',
      'level=3',
      '--format',
      'csv',
    );
    expect(compared.stdout).toMatch(/\ncompressed_sparsity,0\.3\d+,0\.5\d+,0\.\d+,b\n/);
  });

  test('a second time everything is up to date, and the bounds are missed as before', async () => {
    const again = await capstone('run', '--spec', 'job.json');
    expect(again.exitCode).toBe(4);
    const [, said, ...missed] = again.stderr.split('\n');
    expect(said).toBe('Everything is up to date: 10 tasks, nothing to run.');
    expect(missed.map((line) => line.replace(/0\.5\d+$/, '0.5'))).toEqual(
      [0, 1].map(
        (seed) =>
          `bound missed: level=1 or compressed_sparsity>=0.9: resnet18 · fashion_mnist_mini · classic · level 3 · seed ${seed}: level is 3, compressed_sparsity is 0.5`,
      ),
    );
  });

  test('list and show it', async () => {
    const list = await capstone('runs', '--json');
    expect(JSON.parse(list.stdout)).toEqual([
      {
        id,
        kind: 'sweep',
        name: 'seeds',
        state: 'done',
        started_at_ms: expect.any(Number),
        seconds: expect.any(Number),
        tasks: { done: 10, failed: 0, total: 10 },
        bounds_missed: 2,
        best: expect.any(String),
      },
    ]);
    const { stdout } = await capstone('runs', 'show', id.slice(0, 12));
    const lines = stdout.split('\n');
    expect(lines[0]).toBe(id);
    expect(lines[2]).toBe('tasks: 10 succeeded');
    expect(lines[3]).toBe(`folder: runs/${id}`);
    expect(stdout).toContain(
      `\n  train-${MODEL}-s0\n  it was asked for again\n  wrote checkpoints/resnet18_fashion_mnist_mini.pth, 44.8 MB\n`,
    );
    expect(stdout).toContain('\nresnet18 · fashion_mnist_mini · classic · seed 0\n');
  });

  test('logs of the host and of a task; what is not there is said', async () => {
    expect(await capstone('runs', 'logs', 'latest', '--follow')).toMatchObject({ exitCode: 0, stdout: '' });
    const task = await capstone('runs', 'logs', 'latest', 'train-resnet18-fashion_mnist_mini-s1');
    expect(task.exitCode, task.stderr).toBe(0);
    const unknown = await capstone('runs', 'logs', 'latest', `tran-${MODEL}-s1`);
    expect(unknown).toMatchObject({
      exitCode: 2,
      stderr: `error: run ${id} has no task "tran-${MODEL}-s1"\n  Did you mean "train-${MODEL}-s1"?`,
    });
  });

  test('what is over cannot be cancelled or retried', async () => {
    expect(await capstone('runs', 'cancel', 'latest')).toMatchObject({
      exitCode: 2,
      stderr: `error: run ${id} is not running: it is done`,
    });
    expect(await capstone('runs', 'retry', 'latest', 's0')).toMatchObject({
      exitCode: 2,
      stderr: `error: run ${id} is over (done): nobody would run the task\n  Go on with all that is missing: capstone runs resume ${id}`,
    });
  });

  test('bad words are refused', async () => {
    expect(await capstone('runs', 'lst')).toMatchObject({
      exitCode: 2,
      stderr: 'error: unknown command "runs lst"\n  Did you mean "runs list"?',
    });
    expect(await capstone('results', '--compare', 'level=1')).toMatchObject({
      exitCode: 2,
      stderr:
        "error: --compare: expected two conditions, found 1\n  For example: --compare 'level=1 and batch_size=1' 'level=5 and batch_size=1'",
    });
    expect(await capstone('results', '--over', 'seeds')).toMatchObject({
      exitCode: 2,
      stderr: 'error: --over: expected seed, found "seeds"\n  Did you mean "seed"?',
    });
    expect(await capstone('sweep', '--require', 'acc_drp<=0.5', '--dry-run')).toMatchObject({
      exitCode: 2,
      stderr:
        'error: --require: expected a condition on a row, such as "acc_drop<=0.5", found "acc_drp<=0.5", character 1: unknown column "acc_drp". Did you mean "acc_drop"?\n  Every flag with its meaning: --help',
    });
    const spec = '{"version":1,"kind":"train","require":["acc_drop<=0.5"]}';
    workspace.write('train.json', spec);
    expect((await capstone('validate', '--spec', 'train.json')).stderr).toBe(
      [
        'error: train.json:1:39, require: expected no bounds: this kind measures nothing; benchmark and sweep do, found ["acc_drop<=0.5"]',
        `    ${spec}`,
        `    ${' '.repeat(38)}${'^'.repeat(17)}`,
        '  Every key with its meaning: capstone schema job',
      ].join('\n'),
    );
  });
});

test('a run is cancelled from another process, gone on with, and removed', async () => {
  const workspace = new Workspace(cache).makeSmallDataset();
  // Many short epochs: the training is still going on when the others have spoken.
  const spec = workspace.write('job.json', {
    version: 1,
    kind: 'sweep',
    levels: [1],
    train: { epochs: 20, batch_size: 64, max_train_samples: 64, eval_every: 20, threads: 1 },
    benchmark: { max_eval_samples: 100, batch_sizes: [1], threads: 1 },
  });
  const program = workspace.start('run', '--spec', spec, '--json');
  const seen = follow(program);
  await until(() => seen.some(is('metric', `train-${MODEL}-s0`)));
  const [id = ''] = workspace.runs();
  const [refused, one] = await Promise.all([
    workspace.start('runs', 'rm', id),
    workspace.start('runs', 'cancel', 'latest', 'compress'),
  ]);
  expect(refused).toMatchObject({
    exitCode: 2,
    stderr: `error: run ${id} is running\n  Stop it first: capstone runs cancel ${id}`,
  });
  expect(one.stderr).toBe(`Asked task compress-${MODEL}-s0-classic-l1 to stop; what needs it will not run.`);
  // Read together with the next, the request would leave no time to say why the benchmark does not run.
  await until(() => seen.some(is('task_cancelled', `benchmark-${MODEL}-s0-classic-l1`)));
  const all = await workspace.start('runs', 'cancel', 'latest');
  expect(all.stderr).toBe(`Asked run ${id} to stop; what it has done is kept.`);
  expect((await program).exitCode).toBe(130);
  const cancelled = seen.filter((event) => event['type'] === 'task_cancelled');
  expect(cancelled.map((event) => [event['task'], event['because']])).toEqual([
    [`compress-${MODEL}-s0-classic-l1`, 'it was asked not to run'],
    [`benchmark-${MODEL}-s0-classic-l1`, `it needs compress-${MODEL}-s0-classic-l1, which did not succeed`],
    [`train-${MODEL}-s0`, 'it was asked to stop; what it had done is kept'],
  ]);

  const plan = await workspace.start('runs', 'resume', 'latest', '--dry-run');
  expect(plan.stdout).toBe(
    [
      `run         train ${LABEL}: resnet18_fashion_mnist_mini.pth is not there yet, going on from where it was interrupted`,
      `run         compress ${LABEL}, classic level 1: compressed_resnet18_fashion_mnist_mini_l1.pt is not there yet`,
      `run         benchmark ${LABEL}, classic level 1: train-${MODEL}-s0 runs before it`,
      '3 of 3 tasks to run',
    ].join('\n'),
  );
  const results = join('runs', id, 'results.json');
  expect(workspace.has(results)).toBe(true);
  const resuming = workspace.start('runs', 'resume', 'latest');
  await until(() => !workspace.has(results)); // while it runs they are those that it has measured so far
  const resumed = await resuming;
  expect(resumed.exitCode, resumed.stderr).toBe(0);
  expect(workspace.has(results)).toBe(true);
  expect(workspace.runs()).toEqual([id]);
  const listed = JSON.parse((await workspace.start('runs', 'list', '--json')).stdout) as object[];
  expect(listed).toMatchObject([{ id, state: 'done', tasks: { done: 3, failed: 0, total: 3 } }]);

  const removed = await workspace.start('runs', 'rm', '--all-finished');
  expect(removed.stderr).toBe('Removed 1 run.');
  expect(workspace.runs()).toEqual([]);
  expect(existsSync(workspace.path('checkpoints/resnet18_fashion_mnist_mini.pth'))).toBe(true);
  expect((await workspace.start('runs')).stdout).toBe('No runs yet. Start one: capstone sweep');
}, 300_000);

describe('a run whose host cannot start', () => {
  const workspace = new Workspace(cache).makeSmallDataset();
  const python = workspace.path('python');
  /** Says what it has, as a Python does, but does not run the host. */
  const brokenPython = (reason: string) => {
    const said = JSON.stringify({ python: '3.11.7', torch: '2.2.2', torchvision: '0.17.2', numpy: '1.26.4' });
    writeFileSync(python, `#!/bin/sh\n[ "$1" = -c ] && echo '${said}' && exit\necho ${reason} >&2\nexit 1\n`);
    chmodSync(python, 0o755);
  };
  const job = ['--model', 'resnet20', '--dataset', 'fashion_mnist_mini', '--epochs', '1'];

  test('says why in its folder, and keeps what an earlier host said', async () => {
    brokenPython('first');
    const run = await workspace.start('train', '--python', python, ...job);
    expect([run.exitCode, run.stderr]).toEqual([3, expect.stringContaining('first')]);
    const [id = ''] = workspace.runs();
    const events = workspace.events();
    expect(events.slice(-2)).toMatchObject([
      { type: 'task_failed', code: 'host_failed', message: expect.stringContaining('first') },
      { type: 'run_ended', outcome: 'failed', failed: 1, succeeded: 0, cancelled: 0 },
    ]);
    brokenPython('second');
    const again = await workspace.start('runs', 'resume', 'latest', '--python', python);
    expect([again.exitCode, again.stderr]).toEqual([3, expect.stringContaining('second')]);
    const log = (name: string) => readFileSync(workspace.path('runs', id, 'logs', name), 'utf8');
    expect([log('host.1.log'), log('host.log')]).toEqual(['first\n', 'second\n']);
  });
});
