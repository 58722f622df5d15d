/** Killed at any point, nothing is orphaned, nothing is half-written, and the next run goes on from what was done. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { readModelRecord } from '../src/store/model-record.ts';
import { follow, isRunning, SMALL_SWEEP, temporaryFolder, until, Workspace } from './rig.ts';

const cache = temporaryFolder();
const CHECKPOINT = 'checkpoints/resnet18_fashion_mnist_mini.pth';
const train = { ...SMALL_SWEEP.train, epochs: 3 };
const SWEEP = { ...SMALL_SWEEP, levels: [1], train };
const TRAINING = { version: 1, kind: 'train', train };

/** Runs the job until an event passes the filter, and says which processes it is made of. */
async function startUntil(
  workspace: Workspace,
  job: object,
  reached: (event: Record<string, unknown>) => boolean,
) {
  const program = workspace.start('run', '--spec', workspace.write('job.json', job), '--json');
  const seen = follow(program);
  await until(() => seen.some(reached));
  const pid = (type: string) => Number(seen.findLast((event) => event['type'] === type)?.['pid']);
  return { program, seen, host: pid('hello'), task: pid('started'), orchestrator: program.pid ?? 0 };
}

const trainedOneEpoch = (event: Record<string, unknown>) =>
  event['type'] === 'metric' && event['split'] === 'test';

async function expectNoHalfWrittenModel(workspace: Workspace): Promise<void> {
  const models = readdirSync(workspace.folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /^(checkpoints|compressed_models)\/[^/.][^/]*\.(pth|pt)$/.test(file),
  );
  for (const file of models) expect(await readModelRecord(workspace.path(file)), file).toBeDefined();
}

async function expectNextRunFinishes(workspace: Workspace): Promise<Record<string, unknown>[]> {
  const { exitCode, stderr } = await workspace.start('run', '--spec', 'job.json');
  expect(exitCode, stderr).toBe(0);
  return workspace.events();
}

describe('kill -9', () => {
  let started: Awaited<ReturnType<typeof startUntil>> | undefined;
  afterEach(() => {
    started?.program.kill('SIGKILL');
  });

  test('of a task: reported by `ended`, the run fails, the next goes on from the epoch that was done', async () => {
    const workspace = new Workspace(cache).makeSmallDataset();
    started = await startUntil(workspace, SWEEP, trainedOneEpoch);
    process.kill(started.task, 'SIGKILL');
    const { exitCode } = await started.program;
    expect(exitCode).toBe(1);
    const events = workspace.events();
    expect(events.find((event) => event['type'] === 'ended')).toMatchObject({
      exit_code: null,
      signal: 'SIGKILL',
    });
    expect(events.find((event) => event['type'] === 'task_failed')).toMatchObject({ signal: 'SIGKILL' });
    expect(events.at(-1)).toMatchObject({ type: 'run_ended', outcome: 'failed', failed: 1, cancelled: 2 });
    expect([started.host, started.task].filter(isRunning)).toEqual([]);
    await expectNoHalfWrittenModel(workspace);
    const next = await expectNextRunFinishes(workspace);
    const planned = next.find((event) => event['type'] === 'task_planned');
    expect(planned?.['because']).toBe(
      'resnet18_fashion_mnist_mini.pth is not there yet, going on from where it was interrupted',
    );
    const trained = next.filter((event) => event['type'] === 'metric' && event['split'] === 'train');
    expect(trained.map((event) => event['epoch'])).toEqual([2, 3]);
  }, 120_000);

  test('of the host: its tasks die with it and the run says so', async () => {
    const workspace = new Workspace(cache).makeSmallDataset();
    started = await startUntil(workspace, TRAINING, trainedOneEpoch);
    process.kill(started.host, 'SIGKILL');
    const { exitCode } = await started.program;
    expect(exitCode).toBe(1);
    const { task } = started;
    await until(() => !isRunning(task));
    await expectNoHalfWrittenModel(workspace);
    await expectNextRunFinishes(workspace);
  }, 120_000);

  test('of the orchestrator: host and task are gone, and the interrupted model comes out as if undisturbed', async () => {
    const workspace = new Workspace(cache).makeSmallDataset();
    started = await startUntil(workspace, TRAINING, trainedOneEpoch);
    process.kill(started.orchestrator, 'SIGKILL');
    await started.program;
    const { host, task } = started;
    await until(() => !isRunning(host) && !isRunning(task));
    await expectNoHalfWrittenModel(workspace);
    await expectNextRunFinishes(workspace);
    const undisturbed = new Workspace(cache).makeSmallDataset();
    undisturbed.write('job.json', TRAINING);
    await expectNextRunFinishes(undisturbed);
    expect(checkpointDigest(workspace)).toBe(checkpointDigest(undisturbed));
  }, 180_000);
});

function checkpointDigest(workspace: Workspace): string {
  return createHash('sha256')
    .update(readFileSync(workspace.path(CHECKPOINT)))
    .digest('hex');
}

test('a reader that the same Ctrl-C stopped takes nothing along', async () => {
  const workspace = new Workspace(cache).makeSmallDataset();
  const program = workspace.start('run', '--spec', workspace.write('job.json', TRAINING));
  await until(() => {
    const events = `runs/${workspace.has('runs') ? workspace.runs()[0] : ''}/events.ndjson`;
    return workspace.has(events) && workspace.read(events).includes('"split":"test"');
  });
  program.stderr.destroy();
  process.kill(program.pid ?? 0, 'SIGINT');
  expect((await program).exitCode).toBe(130);
  expect(workspace.events().at(-1)).toMatchObject({ type: 'run_ended', outcome: 'cancelled' });
}, 120_000);

test('Ctrl-C stops at a safe point: exit 130, nothing lost, the next run goes on', async () => {
  const workspace = new Workspace(cache).makeSmallDataset();
  const { program, host, task } = await startUntil(workspace, TRAINING, trainedOneEpoch);
  process.kill(program.pid ?? 0, 'SIGINT');
  const { exitCode } = await program;
  expect(exitCode).toBe(130);
  expect([host, task].filter(isRunning)).toEqual([]);
  expect(workspace.events().at(-1)).toMatchObject({ type: 'run_ended', outcome: 'cancelled' });
  const next = await expectNextRunFinishes(workspace);
  expect(next.find((event) => event['type'] === 'task_planned')?.['because']).toContain(
    'going on from where',
  );
}, 120_000);
