import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { afterAll, expect, test } from 'vitest';
import type { Plan } from '../../plan/planned.ts';
import { runPaths } from '../../store/paths.ts';
import { Outlooks, outlookOf, pastTimes } from './outlook.ts';

const workspace = mkdtempSync(join(tmpdir(), 'capstone-outlook-'));
afterAll(() => rmSync(workspace, { recursive: true }));

function record(id: string, job: object, seconds: Readonly<Record<string, number>>): void {
  const paths = runPaths(workspace, id);
  mkdirSync(dirname(paths.events), { recursive: true });
  writeFileSync(paths.job, JSON.stringify(job));
  const lines = Object.entries(seconds).map(([task, took]) =>
    JSON.stringify({ type: 'task_succeeded', task, seconds: took }),
  );
  writeFileSync(paths.events, `${['{"type":"run_started"}', ...lines].join('\n')}\n`);
}

test('a task takes what it took last, a training by its epochs; one that never ran is counted', () => {
  const train = (epochs: number) => ({ version: 1, kind: 'train', train: { epochs } });
  record('20261124T110000Z-a-0001', train(4), { 'train-net': 40, 'compress-1': 7 });
  record('20261124T120000Z-b-0002', train(2), { 'train-net': 30 });
  record('20261124T130000Z-c-0003', {}, {}); // its job was never written
  writeFileSync(
    runPaths(workspace, '20261124T130000Z-c-0003').events,
    '{"type":"task_succeeded","task":"tr\n',
  );
  const past = pastTimes(workspace);
  expect(Object.fromEntries(past)).toEqual({
    'train-net': { seconds: 30, epochs: 2 },
    'compress-1': { seconds: 7, epochs: null },
  });
  const planned = (id: string, upToDate: boolean, epochs?: number) =>
    ({
      upToDate,
      task: { id, kind: epochs === undefined ? 'compress' : 'train', spec: { train: { epochs } } },
    }) as unknown as Plan['tasks'][number];
  const tasks = [planned('train-net', false, 10), planned('compress-1', false), planned('compress-2', true)];
  expect(outlookOf({ tasks }, past)).toEqual({ tasks: 3, upToDate: 1, seconds: 157, untimed: 0 });
  expect(outlookOf({ tasks: [...tasks, planned('compress-3', false)] }, past)).toMatchObject({ untimed: 1 });
  expect(outlookOf({ tasks }, new Map())).toMatchObject({ seconds: null, untimed: 2 });
});

test('a job is planned as capstone run would, and a refusal is what it comes to', async () => {
  const packageRoot = resolve(import.meta.dirname, '../../..');
  const python = join(packageRoot, '.venv', 'bin', 'python');
  const env = { ...process.env, CAPSTONE_PYTHON: process.env['CAPSTONE_PYTHON'] ?? python };
  const outlooks = new Outlooks({ packageRoot, workspace, cwd: workspace, env });
  const sweep = (values: Readonly<Record<string, string>>) => outlooks.of({ kind: 'sweep', values });
  expect(await sweep({ '--levels': '1,2', '--dataset': 'fashion_mnist_mini' })).toEqual({
    tasks: 5,
    upToDate: 0,
    seconds: null,
    untimed: 5,
  });
  expect(await sweep({ '--dataset': 'nowhere' })).toEqual({
    refusal: expect.stringContaining('nowhere'),
  });
});
