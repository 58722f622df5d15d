/** A network of the user’s own: allowed by hand alone, trained, and opened again when its code is gone. */
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { execa } from 'execa';
import { beforeAll, describe, expect, test } from 'vitest';
import { sha256 } from '../src/digest.ts';
import { parseCsv } from '../src/results/csv.ts';
import { CLI, PACKAGE_ROOT, PYTHON, temporaryFolder, Workspace } from './rig.ts';
import { TerminalSession } from './terminal.ts';

const cache = temporaryFolder();
const NET = `${PACKAGE_ROOT}/test/fixtures/own_net.py`;
const BUNDLED = 'fashion_mnist_mini: bundled with capstone\n';
const MILD = [{ step: 'specialize' }];
const STRONG = [
  { step: 'prune_structured', ratio: 0.3 },
  { step: 'quantize_static', calibration_samples: 64 },
  { step: 'pack' },
];
const RECIPE = {
  version: 1,
  name: 'brief',
  levels: { '1': MILD, '2': STRONG, '3': MILD, '4': MILD, '5': MILD },
};
const MODEL = { name: 'mine', code: 'net.py:residual' };
const SWEEP = {
  version: 1,
  kind: 'sweep',
  models: [MODEL],
  recipes: ['./brief.json'],
  levels: [1, 2],
  train: { epochs: 1, batch_size: 32, max_train_samples: 128 },
  benchmark: { max_eval_samples: 50, batch_sizes: [1] },
};

function prepared(): Workspace {
  const workspace = new Workspace(cache);
  copyFileSync(NET, workspace.path('net.py'));
  workspace.write('brief.json', RECIPE);
  return workspace;
}

const listing = (workspace: Workspace) => readdirSync(workspace.folder, { recursive: true }).sort();
const rowsOf = (workspace: Workspace) => parseCsv(workspace.read('benchmark_levels.csv')).rows;
const runs = async (workspace: Workspace, spec: object, ...more: string[]) => {
  const file = workspace.write('job.json', spec);
  const { exitCode, stderr } = await workspace.start('run', '--spec', file, ...more);
  expect({ exitCode, stderr: exitCode === 0 ? '' : stderr }).toEqual({ exitCode: 0, stderr: '' });
  return stderr;
};

describe('a network that is trained', () => {
  const workspace = prepared();
  const CHECKPOINT = 'checkpoints/mine_fashion_mnist_mini.pth';
  const artifact = (level: number) =>
    `compressed_models/compressed_mine_fashion_mnist_mini_brief_l${level}.pt`;

  beforeAll(async () => {
    await runs(workspace, SWEEP, '--trust-code');
  }, 240_000);

  test('has a file for each level, and rows', () => {
    for (const file of [CHECKPOINT, artifact(1), artifact(2)])
      expect(existsSync(workspace.path(file))).toBe(true);
    const rows = rowsOf(workspace);
    expect(rows.map(({ model, recipe, level }) => ({ model, recipe, level }))).toEqual([
      { model: 'mine', recipe: 'brief', level: 1 },
      { model: 'mine', recipe: 'brief', level: 2 },
    ]);
    expect(rows[1]?.compressed_params).toBeLessThan(rows[1]?.original_params ?? 0);
  });

  test('asks for nothing where nothing of it would run', async () => {
    expect(await runs(workspace, SWEEP)).toContain('Everything is up to date: 5 tasks, nothing to run.');
  }, 30_000);

  test('is compressed and measured anew without its code, and without a word of trust', async () => {
    const gone = prepared();
    mkdirSync(gone.path('checkpoints'));
    copyFileSync(workspace.path(CHECKPOINT), gone.path(CHECKPOINT));
    rmSync(gone.path('net.py'));
    const { train: _train, benchmark, ...rest } = SWEEP;
    const byFile = { name: 'mine', checkpoint: CHECKPOINT };
    await runs(gone, { ...rest, kind: 'compress', models: [byFile] });
    await runs(gone, { ...rest, benchmark, kind: 'benchmark', models: [MODEL] });
    expect(rowsOf(gone).map(({ level }) => level)).toEqual([1, 2]);
    const digests = ({ artifact_sha256 }: { artifact_sha256: string | null }) => artifact_sha256;
    expect(rowsOf(gone).map(digests)).toEqual(rowsOf(workspace).map(digests));
  }, 240_000);

  test('is trained again when its code has changed', async () => {
    const changed = `${workspace.read('net.py')}\n# another width some day\n`;
    workspace.write('net.py', changed);
    const file = workspace.write('job.json', SWEEP);
    const { stdout } = await workspace.start('run', '--spec', file, '--dry-run');
    expect(stdout.split('\n')[0]).toBe(
      'run         train mine on fashion_mnist_mini: mine_fashion_mnist_mini.pth was made with other settings, inputs or software',
    );
    const refused = await workspace.start('run', '--spec', file);
    expect([refused.exitCode, refused.stderr]).toEqual([
      2,
      `${BUNDLED}error: not allowed to execute ${workspace.path('net.py')}, SHA-256 ${sha256(changed)}
  Read the file; where you trust it, run the same command with --trust-code.`,
    ]);
  }, 30_000);
});

describe('weights from elsewhere', () => {
  const workspace = prepared();
  const THEIRS = {
    ...MODEL,
    name: 'theirs',
    checkpoint: 'theirs.th',
    num_classes: 10,
    image_size: 32,
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
  };
  const { train: _train, ...rest } = SWEEP;

  beforeAll(async () => {
    await execa(PYTHON, [`${PACKAGE_ROOT}/test/fixtures/foreign_weights.py`, workspace.path('theirs.th')]);
  }, 60_000);

  test('are compressed and measured as the spec says that they expect images', async () => {
    await runs(workspace, { ...rest, levels: [2], models: [THEIRS] }, '--trust-code');
    const [row] = rowsOf(workspace);
    expect(row).toMatchObject({ model: 'theirs', level: 2, image_size: 32 });
    const { stdout } = await execa(PYTHON, [
      '-c',
      `import sys; sys.path.insert(0, "${PACKAGE_ROOT}/py")
import json, pathlib; from capstone_worker.artifact.read import read_record
record = read_record(pathlib.Path("${workspace.path('compressed_models/compressed_theirs_fashion_mnist_mini_brief_l2.pt')}"))
print(json.dumps([record["normalisation"], record["model"]["num_classes"], record["code"]["function"]]))`,
    ]);
    expect(JSON.parse(stdout)).toEqual([{ mean: THEIRS.mean, std: THEIRS.std }, 10, 'residual']);
  }, 240_000);
});

describe('nobody else can allow it', () => {
  const workspace = prepared();
  const digest = sha256(workspace.read('net.py'));

  test.each([
    ['a run', ['run', '--spec', 'job.json'], {}],
    ['the environment', ['run', '--spec', 'job.json'], { CAPSTONE_TRUST_CODE: '1' }],
  ])(
    '%s: refused, and nothing is left behind',
    async (_name, argv, env) => {
      workspace.write('job.json', SWEEP);
      const before = listing(workspace);
      const { exitCode, stdout, stderr } = await execa(
        process.execPath,
        [`${PACKAGE_ROOT}/dist/cli.js`, ...argv],
        {
          cwd: workspace.folder,
          env: { ...workspace.env, ...env },
          extendEnv: false,
          reject: false,
        },
      );
      expect({ exitCode, stdout, stderr }).toEqual({
        exitCode: 2,
        stdout: '',
        stderr: `${BUNDLED}error: not allowed to execute ${workspace.path('net.py')}, SHA-256 ${digest}
  Read the file; where you trust it, run the same command with --trust-code.`,
      });
      expect(listing(workspace)).toEqual(before);
    },
    30_000,
  );

  test('a spec has no word for it', async () => {
    workspace.write('job.json', { ...SWEEP, trust_code: true });
    const { exitCode, stderr } = await workspace.start('run', '--spec', 'job.json');
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/, trust_code: expected one of the keys /);
  });

  test.each([
    [
      'net.py:five',
      'net.py: the network of five has 5 outputs, data set fashion_mnist_mini has 10\n  Let the function take num_classes and make that many outputs',
    ],
    [
      'net.py:broken',
      'net.py, line 50: broken() failed: ValueError: not today\n  Correct it there, and run the same command again',
    ],
    [
      'net.py:nothing',
      'net.py: there is no function nothing in it\n  Name one that is there in "code", such as net.py:broken',
    ],
  ])(
    '%s fails before it trains, and a resumed run asks again',
    async (code, message) => {
      const failing = prepared();
      const file = failing.write('job.json', {
        ...withoutLevels(SWEEP),
        kind: 'train',
        models: [{ ...MODEL, code }],
      });
      const { exitCode, stderr } = await failing.start('run', '--spec', file, '--trust-code');
      expect(exitCode).toBe(1);
      expect(stderr).toContain(`failed: ${failing.path(message)}`);
      const resumed = await failing.start('run', '--resume', 'latest');
      expect([resumed.exitCode, resumed.stderr]).toEqual([
        2,
        `${BUNDLED}error: not allowed to execute ${failing.path('net.py')}, SHA-256 ${digest}
  Read the file; where you trust it, run the same command with --trust-code.`,
      ]);
    },
    60_000,
  );
});

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  '%s while it is asked leaves nothing, though a worker has been started ahead',
  async (signal) => {
    const asked = prepared();
    const file = asked.write('job.json', { ...withoutLevels(SWEEP), kind: 'train' });
    const before = listing(asked);
    const session = new TerminalSession({
      cwd: asked.folder,
      env: asked.env,
      command: [process.execPath, CLI, 'run', '--spec', file],
    });
    await session.shows(/SHA-256/);
    expect(listing(asked).length).toBeGreaterThan(before.length);
    session.kill(signal);
    expect((await session.end()).exit_code).toBe(130);
    expect(listing(asked)).toEqual(before);
  },
  30_000,
);

function withoutLevels({ levels: _levels, recipes: _recipes, benchmark: _benchmark, ...rest }: typeof SWEEP) {
  return rest;
}
