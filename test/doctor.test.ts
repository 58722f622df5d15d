/** `capstone doctor` as a process, in a workspace that has something to tell of. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { PYTHON, temporaryFolder, Workspace } from './rig.ts';

interface Report {
  version: number;
  ready: boolean;
  checks: { id: string; status: string; title: string; detail: string; next: string[] }[];
}

function workspaceWithThings(): Workspace {
  const workspace = new Workspace(temporaryFolder());
  for (const split of ['train', 'test']) {
    for (const label of ['cat', 'dog']) {
      mkdirSync(workspace.path('data', 'pets', split, label), { recursive: true });
      writeFileSync(workspace.path('data', 'pets', split, label, '1.png'), '');
    }
  }
  mkdirSync(workspace.path('data', 'half', 'train'), { recursive: true });
  const event = { v: 1, run: 'r', run_seq: 1, ts: '2026-11-24T03:45:00Z', type: 'run_stopping' };
  for (const id of ['20261124T034500Z-old-1a2b', '20261125T034500Z-new-3c4d']) {
    mkdirSync(workspace.path('runs', id), { recursive: true });
    writeFileSync(workspace.path('runs', id, 'events.ndjson'), `${JSON.stringify(event)}\n`);
  }
  return workspace;
}

test('says what is there, as lines and as JSON', async () => {
  const workspace = workspaceWithThings();
  const { stdout, stderr, exitCode } = await workspace.start('doctor', '--json', '--python', PYTHON);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  const report = JSON.parse(stdout) as Report;
  expect(report).toMatchObject({ version: 1, ready: true });
  const check = (id: string) => report.checks.find((one) => one.id === id);
  expect(report.checks.map(({ id }) => id)).toEqual([
    ...['node', 'python', 'torch', 'runtimes', 'cpu', 'cpus', 'gpu', 'memory'],
    ...['disk_workspace', 'disk_cache', 'disk_environment'],
    ...['dataset_fashion_mnist_mini', 'dataset_cifar10', 'dataset_cifar100', 'dataset_half', 'dataset_pets'],
    ...['caches', 'runs'],
  ]);
  expect(check('node')?.detail).toBe(process.versions.node);
  expect(check('python')?.detail).toMatch(/^3\.1\d\.\d+, .*python, given by --python or CAPSTONE_PYTHON$/);
  expect(check('torch')?.detail).toMatch(/^2\.[^;]*; torchvision 0\.[^,]*, numpy 1\./);
  expect(check('dataset_pets')?.detail).toBe(`pets: ${workspace.path('data', 'pets')}, 4 images`);
  expect(check('dataset_cifar100')?.detail).toMatch(
    /^cifar100: cifar-100-python\.tar\.gz \(169 MB\), downloaded into .*data when it is first needed/,
  );
  expect(check('dataset_half')).toEqual({
    id: 'dataset_half',
    status: 'warning',
    title: 'Data set',
    detail: `data set half: ${workspace.path('data', 'half')} has no folder test`,
    next: [
      `Put the images into ${workspace.path('data', 'half')}/train/<class>/ and ` +
        `${workspace.path('data', 'half')}/test/<class>/.`,
    ],
  });
  expect(check('runs')).toMatchObject({
    status: 'warning',
    detail: '2 runs; interrupted: 20261124T034500Z-old-1a2b, 20261125T034500Z-new-3c4d',
    next: ['To go on with the last: capstone run --resume 20261125T034500Z-new-3c4d'],
  });

  const lines = await workspace.start('doctor', '--python', PYTHON);
  expect(lines.exitCode).toBe(0);
  for (const { title, detail } of report.checks.filter(({ id }) => !/^(disk|memory)/.test(id))) {
    expect(lines.stdout).toMatch(new RegExp(`^[✓!✗] ${title} `, 'm'));
    expect(lines.stdout).toContain(detail);
  }
  expect(lines.stdout).toMatch(/\nReady: a job can run, with \d warnings?\.$/);
  expect(lines.stdout).not.toContain('\u001b');
});

test('exits with 3 where no job could run', async () => {
  const workspace = new Workspace(temporaryFolder());
  const { stdout, exitCode } = await workspace.start('doctor', '--python', workspace.path('none'));
  expect(exitCode).toBe(3);
  expect(stdout).toMatch(/\n✗ Python {7}.*\/none cannot be run/);
  expect(stdout).toMatch(
    /\n {15}Name a Python interpreter with --python or CAPSTONE_PYTHON, or leave both out and run: capstone setup\n/,
  );
  expect(stdout).toMatch(/\nNot ready: 1 problem to mend first[^\n]*\.$/);
});
