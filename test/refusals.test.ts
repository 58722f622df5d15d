/**
 * Bad input, one row each: the exit code, the whole message with its next step, no stack, and nothing left behind.
 * What the scripts in py/ say to the same: py/capstone_worker/by_hand/test_refusals.py.
 */
import { chmodSync, chownSync, mkdirSync, readdirSync } from 'node:fs';
import { execa } from 'execa';
import { beforeAll, describe, expect, test } from 'vitest';
import { ARCHITECTURES } from '../src/spec/names.ts';
import { CLI, PACKAGE_ROOT, PYTHON, temporaryFolder, Workspace } from './rig.ts';

const cache = temporaryFolder();
const workspace = new Workspace(cache);
const HERE = workspace.folder;
const listing = (folder = HERE) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();

beforeAll(async () => {
  await execa(PYTHON, [`${PACKAGE_ROOT}/test/fixtures/bad_inputs.py`, HERE]);
  workspace.write('half.json', '{\n  "version": 1,\n  "kind": "train",\n  "train": {"epochs": 1');
  workspace.write('empty.json', '');
  workspace.write(
    'latin1.json',
    Buffer.from('{"version": 1, "kind": "train",\n "name": "\u00fc"}', 'latin1'),
  );
  workspace.write('future.json', { version: 2, kind: 'distill' });
  workspace.write('typo.json', '{"version": 1, "kind": "train", "train": {"epoch": 3}}');
  workspace.write('twice.json', '{"version": 1, "kind": "train", "seeds": [0], "seeds": [1]}');
  workspace.write('levels.json', { version: 1, kind: 'sweep', levels: [1, 6] });
  workspace.write('model.json', { version: 1, kind: 'train', models: ['resnet81'] });
  workspace.write('name.json', { version: 1, kind: 'train', name: '\u001b[31mred' });
  workspace.write('escape\u001b[31m.json', '{');
  workspace.write('recipe.json', { version: 1, name: 'mine', steps: [] });
  workspace.write('trained.json', {
    version: 1,
    kind: 'train',
    models: [{ name: 'resnet18', checkpoint: 'a.pth' }],
  });
  const int8 = [{ step: 'quantize_dynamic' }];
  const steps = { '1': int8, '2': int8, '3': int8, '4': int8, '5': int8 };
  workspace.write('resnets.json', { version: 1, name: 'resnets', families: { resnet: { levels: steps } } });
  workspace.write('family.json', {
    version: 1,
    kind: 'sweep',
    models: ['vit_b_16'],
    recipes: ['resnets.json'],
  });
  workspace.write('shared.json', {
    version: 1,
    kind: 'train',
    datasets: ['cifar10'],
    seeds: [0, 1],
    output: 'one.pth',
  });
  mkdirSync(workspace.path('folder.json'));
  mkdirSync(workspace.path('folder.pth'));
}, 60_000);

interface Refused {
  readonly argv: readonly string[];
  readonly stderr: string;
  readonly exitCode?: number;
}

const KEYS = '  Every key with its meaning: capstone schema job';
const FLAGS = '  Every flag with its meaning: --help';
const DAMAGED = '  The file is damaged or was changed after it was written: download or make it again.';
const CORRECT = '  Correct the file there: it has to be JSON.';
const OTHERWISE = '  Name the file that belongs to these settings, or the settings that belong to this file.';
const SMALL = ['--epochs', '1', '--max-train-samples', '64', '--batch-size', '32'];
const compress = (...more: string[]) => ['compress', '--compression-level', '1', ...more];
const train = (dataset: string, ...more: string[]) => ['train', '--dataset', dataset, ...SMALL, ...more];
const spec = (name: string, ...more: string[]) => ['run', '--spec', name, ...more];

const RECIPES = readdirSync(`${PACKAGE_ROOT}/recipes`)
  .map((file) => file.replace('.json', ''))
  .sort()
  .join(', ');

/** What every command says of a data set before it goes on. */
const BUNDLED = 'fashion_mnist_mini: bundled with capstone\n';

const REFUSED: Record<string, Refused> = {
  'an unknown model': {
    argv: spec('model.json'),
    stderr: `error: model.json:1:39, models[0]: expected one of ${Object.keys(ARCHITECTURES).join(', ')}, found "resnet81". Did you mean "resnet18"?
    {"version":1,"kind":"train","models":["resnet81"]}
                                          ^^^^^^^^^^
${KEYS}`,
  },
  'level 6 in a spec': {
    argv: spec('levels.json'),
    stderr: `error: levels.json:1:41, levels[1]: expected a level from 1 to 5, found 6
    {"version":1,"kind":"sweep","levels":[1,6]}
                                            ^
${KEYS}`,
  },
  'level 6 as a flag': {
    argv: ['sweep', '--levels', '1-6'],
    stderr: `error: --levels: expected a level from 1 to 5, found 6\n${FLAGS}`,
  },
  'a flag that is no number': {
    argv: ['train', '--epochs', 'many'],
    stderr: `error: --epochs: expected a number, found "many"\n${FLAGS}`,
  },
  'a misspelt key': {
    argv: ['validate', '--spec', 'typo.json'],
    stderr: `error: typo.json:1:43, train.epoch: expected a known key, found "epoch". Did you mean "epochs"?
    {"version": 1, "kind": "train", "train": {"epoch": 3}}
                                              ^^^^^^^
${KEYS}`,
  },
  'a spec that no disk could make a plan of': {
    argv: ['validate', '--spec', 'trained.json'],
    stderr: `error: model resnet18 has a checkpoint, so it is not trained
  Leave out "checkpoint" to train it, or use kind "compress" or "sweep".`,
  },
  'a recipe that does not serve the network': {
    argv: ['validate', '--spec', 'family.json'],
    stderr: `error: recipe resnets says nothing about models of the family vit; it knows resnet
  Use a recipe with "levels" for every family, such as deploy, or add "vit" under "families".`,
  },
  'two trainings of one output': {
    argv: ['validate', '--spec', 'shared.json'],
    stderr: `error: train-resnet18-cifar10-s0 and train-resnet18-cifar10-s1 would both write ${HERE}/one.pth
  Leave out "output" where the plan has more than one task of its kind.`,
  },
  'a batch size that stands twice': {
    argv: ['benchmark', '--batch-sizes', '1-4,4'],
    stderr: `error: --batch-sizes: expected each value once, found 4 again\n${FLAGS}`,
  },
  'a number of classes that is none': {
    argv: compress('--num-classes', 'ten'),
    stderr: `error: --num-classes: expected a whole number, found ten
  Say how many classes the checkpoint has, as in --num-classes 10.`,
  },
  'a misspelt key of --set': {
    argv: spec('typo.json', '--set', 'train={}', '--set', 'train.lrr=1'),
    stderr: `error: 2 problems
  typo.json:1:43, train.epoch: expected a known key, found "epoch". Did you mean "epochs"?
      {"version": 1, "kind": "train", "train": {"epoch": 3}}
                                                ^^^^^^^
  --set train.lrr: expected a known key, found "lrr". Did you mean "lr"?
${KEYS}`,
  },
  'a key that stands twice': {
    argv: spec('twice.json'),
    stderr: `error: twice.json:1:47, seeds: expected each key once, found "seeds" again
    {"version": 1, "kind": "train", "seeds": [0], "seeds": [1]}
                                                  ^^^^^^^
${KEYS}`,
  },
  'JSON cut in half': {
    argv: spec('half.json'),
    stderr: `error: half.json:4:24: expected a comma or }, found the end of the file
    "train": {"epochs": 1
                         ^
${CORRECT}`,
  },
  'a spec that is not UTF-8': {
    argv: spec('latin1.json'),
    stderr: `error: latin1.json:2:11: expected UTF-8, found the byte 0xfc
    "name": "\ufffd"}
             ^
  Save the file as UTF-8.`,
  },
  'an empty spec': {
    argv: spec('empty.json'),
    stderr:
      'error: empty.json: expected a spec, found an empty file\n  Start from one of the files in examples/.',
  },
  'a spec of a later version': {
    argv: spec('future.json'),
    stderr: `error: future.json:1:12, version: expected 1, found 2, which a newer capstone reads
    {"version":2,"kind":"distill"}
               ^
  Update capstone to use it.`,
  },
  'a spec that is not there': {
    argv: spec('gone.json'),
    stderr: 'error: gone.json: expected a spec, found no such file\n  Check the path of the spec.',
  },
  'a folder for a spec': {
    argv: spec('folder.json'),
    stderr: 'error: folder.json: expected a spec, found a folder\n  Name the JSON file itself.',
  },
  'a recipe that is none': {
    argv: ['sweep', '--recipe', './recipe.json'],
    stderr: `error: 2 problems
  ${HERE}/recipe.json: expected "levels" or "families", found neither
  ${HERE}/recipe.json:1:28, steps: expected one of the keys $schema, version, name, description, levels, families, found "steps"
      {"version":1,"name":"mine","steps":[]}
                                 ^^^^^^^
  Every key with its meaning: capstone schema recipe`,
  },
  'an unknown recipe': {
    argv: ['sweep', '--recipe', 'clasic'],
    stderr: `error: unknown recipe "clasic"; known: ${RECIPES}\n  Did you mean "classic"?`,
  },
  'a name with escape codes': {
    argv: spec('name.json'),
    stderr: `error: name.json:1:36, name: expected letters, digits, ".", "_" and "-", 64 at most, a letter or digit first, found "\\u001b[31mred"
    {"version":1,"kind":"train","name":"\\u001b[31mred"}
                                       ^^^^^^^^^^^^^^^
${KEYS}`,
  },
  'a file name with escape codes': {
    argv: spec('escape\u001b[31m.json'),
    stderr: `error: escape\\x1b[31m.json:1:2: expected a comma or }, found the end of the file
    {
     ^
${CORRECT}`,
  },
  'a checkpoint for another class count': {
    argv: compress('--checkpoint', 'ours.pth', '--num-classes', '100'),
    stderr: `error: ${HERE}/ours.pth: expected 100 classes, the file has 10
  Use --num-classes 10, or name another file.`,
  },
  'a checkpoint for another data set': {
    argv: compress('--checkpoint', 'ours.pth', '--dataset', 'cifar100'),
    stderr: `error: ${HERE}/ours.pth: expected dataset cifar100, the file was made with dataset fashion_mnist_mini
${OTHERWISE}`,
  },
  'a checkpoint for another architecture': {
    argv: compress('--checkpoint', 'vit.pth'),
    stderr: `error: ${HERE}/vit.pth: expected resnet18, the file holds vit_b_16
  Name the model vit_b_16, or another file.`,
  },
  'a checkpoint of a later version': {
    argv: compress('--checkpoint', 'future.pth'),
    stderr: `error: ${HERE}/future.pth: expected format 1, found 2
  Update capstone: a newer one wrote this file.`,
  },
  'a checkpoint that is not there': {
    argv: compress('--checkpoint', 'gone.pth'),
    stderr: `error: ${HERE}/gone.pth does not exist\n  Check the path of --checkpoint.`,
  },
  'an original that was not trained yet': {
    argv: compress('--dataset', 'fashion_mnist_mini'),
    stderr: `error: ${HERE}/checkpoints/resnet18_fashion_mnist_mini.pth does not exist
  Make it first: capstone train --model resnet18 --dataset fashion_mnist_mini`,
  },
  'a truncated checkpoint': {
    argv: compress('--checkpoint', 'cut.pth', '--num-classes', '10'),
    stderr: `error: ${HERE}/cut.pth: the file ends too early\n${DAMAGED}`,
  },
  'a folder for a checkpoint': {
    argv: compress('--checkpoint', 'folder.pth', '--num-classes', '10'),
    stderr: `error: ${HERE}/folder.pth: expected a model file, found a folder\n  Name the file itself.`,
  },
  'a folder for an output': {
    argv: train('fashion_mnist_mini', '--output', 'folder.pth', '--force'),
    stderr: `error: ${HERE}/folder.pth is no file, and train-resnet18-fashion_mnist_mini-s0 would write one there
  Move it away, or choose another "output".`,
  },
  'a file for an output’s folder': {
    argv: train('fashion_mnist_mini', '--output', 'cut.pth/x.pth'),
    stderr: `${BUNDLED}error: ${HERE}/cut.pth/x.pth cannot be written: a file is where a folder is needed
  Check the permissions of its folder, or choose another.`,
  },
  'a foreign file in the way': {
    argv: train('fashion_mnist_mini', '--output', 'other.pth'),
    stderr: `error: ${HERE}/other.pth exists and is not what train-resnet18-fashion_mnist_mini-s0 would replace
  Move it away, choose another "output", or allow it to be replaced with --force.`,
  },
  'a data folder with no classes': {
    argv: train('none'),
    stderr: `error: data set none: expected at least 2 class folders in ${HERE}/data/none/train, found 0
  Put the images of each class into a folder of its own, named for the class.`,
  },
  'an empty class': {
    argv: train('hollow'),
    stderr: `error: data set hollow: class dog has no images in ${HERE}/data/hollow/train/dog
  Add images (.apng .avif .bmp .dib .gif .j2k .jfif .jp2 .jpe .jpeg .jpg .pbm .pcx .pgm .png .pnm .ppm .qoi .sgi .tga .tif .tiff .webp), or remove the class from train and test.`,
  },
  'a class with escape codes': {
    argv: train('escape'),
    stderr: `error: ${HERE}/data/escape/train: the name "dog\\x1b[31m" has control characters
  Rename it: names are printed, and these would change what the terminal shows.`,
  },
  'an interpreter that is none': {
    argv: train('fashion_mnist_mini', '--python', './gone'),
    exitCode: 3,
    stderr: `error: ./gone cannot be run: no such file
  Name a Python interpreter with --python or CAPSTONE_PYTHON, or leave both out and run: capstone setup`,
  },
};

test.each(Object.entries(REFUSED))('%s', async (_what, { argv, stderr, exitCode = 2 }) => {
  const before = listing();
  const refused = await workspace.start(...argv);
  expect({ exitCode: refused.exitCode, stdout: refused.stdout, stderr: refused.stderr }).toEqual({
    exitCode,
    stdout: '',
    stderr,
  });
  expect(listing()).toEqual(before);
});

describe('what only a worker can see: the task fails, says so, and leaves no file', () => {
  const FAILED: Record<string, Refused> = {
    'a checkpoint whose weights are of another network': {
      argv: compress('--checkpoint', 'other.pth', '--num-classes', '10'),
      stderr: `failed: ${HERE}/other.pth: the weights are not those of resnet18: fc.weight is missing or no matrix
  Name the architecture that the weights belong to`,
    },
    'a broken image': {
      argv: train('broken'),
      stderr: `failed: ${HERE}/data/broken/train/dog/1.png: the image cannot be decoded
  Remove the file or replace it, then run the same command again`,
    },
  };

  test.each(Object.entries(FAILED))(
    '%s',
    async (_what, { argv, stderr }) => {
      const before = listing().filter((path) => !path.startsWith('runs'));
      const failed = await workspace.start(...argv);
      expect({ exitCode: failed.exitCode, stdout: failed.stdout }).toEqual({ exitCode: 1, stdout: '' });
      const said = failed.stderr.match(/failed: [\s\S]*?(?=\n\w+: failed in)/)?.[0];
      expect(said).toBe(stderr);
      const left = listing().filter((path) => !path.startsWith('runs') && !before.includes(path));
      expect(
        left.filter((path) => !['checkpoints', 'checkpoints/.partial', 'compressed_models'].includes(path)),
      ).toEqual([]);
      expect(listing(workspace.path('runs')).filter((path) => /lock|tmp/.test(path))).toEqual([]);
    },
    120_000,
  );
});

test('an environment whose host does not start ends a run once, whatever is left to do', async () => {
  const other = new Workspace(cache);
  const python = other.write(
    'python',
    `#!/bin/sh\ncase "$*" in *host.py*) echo no libgomp >&2; exit 1;; esac\nexec ${PYTHON} "$@"\n`,
  );
  chmodSync(python, 0o755);
  const argv = train('fashion_mnist_mini', '--seed', '0-2', '--python', python);
  const { exitCode, stdout, stderr } = await other.start(...argv);
  expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: '' });
  expect(stderr.match(/error: [\s\S]*/)?.[0]).toBe(
    `error: the worker host (${python}) ended with exit code 1:\nno libgomp\n  Make the environment anew: capstone setup`,
  );
  // Of the one task that was to run, and of the command.
  expect(stderr.match(/no libgomp/g)).toHaveLength(2);
  expect(stderr.match(/cancelled: the run broke off/g)).toHaveLength(2);
}, 60_000);

/** A test that needs what this machine does not allow fails, and says what it is. */
async function needs(capability: string, command: string, ...args: string[]): Promise<void> {
  const { failed, shortMessage } = await execa(command, args, { reject: false });
  expect(failed ? shortMessage : '', `this test needs ${capability}`).toBe('');
}

describe('no permission', () => {
  /** Root passes through every permission; without its capabilities it is a user like others. */
  const WITHOUT_RIGHTS = ['--clear-groups', '--bounding-set=-all', '--inh-caps=-all'];
  const NOBODY = 65_534;

  async function startWithoutRights(folder: string, ...argv: string[]) {
    const options = { cwd: folder, env: workspace.env, extendEnv: false, reject: false } as const;
    if (process.getuid?.() !== 0) return execa(process.execPath, [CLI, ...argv], options);
    await needs('setpriv of util-linux, as root', 'setpriv', ...WITHOUT_RIGHTS, 'true');
    return execa('setpriv', [...WITHOUT_RIGHTS, process.execPath, CLI, ...argv], options);
  }

  function asNobodys(path: string, mode: number): void {
    chmodSync(path, mode);
    if (process.getuid?.() === 0) chownSync(path, NOBODY, NOBODY);
  }

  test('to write the workspace', async () => {
    const other = new Workspace(cache);
    asNobodys(other.folder, 0o555);
    const { exitCode, stdout, stderr } = await startWithoutRights(
      other.folder,
      ...train('fashion_mnist_mini'),
    );
    chmodSync(other.folder, 0o755);
    expect({ exitCode, stdout, stderr }).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: `${BUNDLED}error: ${other.folder}/checkpoints/resnet18_fashion_mnist_mini.pth cannot be written: permission denied
  Check the permissions of its folder, or choose another.`,
    });
    expect(listing(other.folder)).toEqual([]);
  });

  test('to read the spec', async () => {
    const other = new Workspace(cache);
    asNobodys(other.write('job.json', { version: 1, kind: 'train' }), 0o000);
    const { exitCode, stdout, stderr } = await startWithoutRights(other.folder, ...spec('job.json'));
    expect({ exitCode, stdout, stderr }).toEqual({
      exitCode: 2,
      stdout: '',
      stderr: 'error: job.json cannot be read: permission denied\n  Check its path and permissions.',
    });
    expect(listing(other.folder)).toEqual(['job.json']);
  });
});

describe('a full disk: a tmpfs in a mount namespace of its own', () => {
  const UNSHARE = process.getuid?.() === 0 ? ['--mount'] : ['--map-root-user', '--mount'];
  const SCRIPT = `mount -t tmpfs -o "size=$1" tmpfs . && cd "$PWD" || exit 99
head -c "$2" /dev/zero > filler; shift 2
"$@"; code=$?
find . -mindepth 1 | sort; exit $code`;

  /** Runs the program where `size` bytes are, `taken` of them already; its stdout is what lies there afterwards. */
  async function startOn(size: string, taken: string, ...argv: string[]) {
    await needs(
      'the right to mount a tmpfs (CAP_SYS_ADMIN, or user namespaces)',
      'unshare',
      ...UNSHARE,
      'true',
    );
    const disk = new Workspace(cache);
    const command = ['sh', '-c', SCRIPT, 'sh', size, taken, process.execPath, CLI, ...argv];
    const options = { cwd: disk.folder, env: disk.env, extendEnv: false, reject: false } as const;
    return { disk, ...(await execa('unshare', [...UNSHARE, ...command], options)) };
  }
  const RUN = /\d{8}T\d{6}Z-train-[0-9a-f]{4}/g;
  const KEY = /[0-9a-f]{64}/g;

  test('before the run began: no run is left', async () => {
    const { disk, exitCode, stdout, stderr } = await startOn('64k', '65536', ...train('fashion_mnist_mini'));
    expect({ exitCode, stdout, stderr: stderr.replace(RUN, 'RUN') }).toEqual({
      exitCode: 3,
      stdout: './filler',
      stderr: `${BUNDLED}error: ${disk.folder}/runs/RUN/lock cannot be written: no space left on the disk
  Free space for ${disk.folder}/runs/RUN, or choose another folder.`,
    });
  });

  test('in a training: the task says so, and no half of a file is left', async () => {
    const { disk, exitCode, stdout, stderr } = await startOn('4m', '0', ...train('fashion_mnist_mini'));
    const partial = `${disk.folder}/checkpoints/.partial/KEY`;
    const said = stderr.replace(KEY, 'KEY').match(/failed: [\s\S]*?(?=\n\w+: failed in)/)?.[0];
    expect(said?.replace(/\d+ bytes/, 'N bytes')).toBe(
      `failed: ${partial}/000001-00000000.pt cannot be written: no space left on the disk (it takes N bytes)
  Free space for ${partial}, or choose another folder`,
    );
    expect({ exitCode, stdout: stdout.replace(RUN, 'RUN').replace(KEY, 'KEY').split('\n') }).toEqual({
      exitCode: 1,
      stdout: [
        './checkpoints',
        './checkpoints/.partial',
        './checkpoints/.partial/KEY',
        './filler',
        './runs',
        './runs/RUN',
        './runs/RUN/environment.json',
        './runs/RUN/events.ndjson',
        './runs/RUN/job.json',
        './runs/RUN/logs',
        './runs/RUN/logs/host.log',
        './runs/RUN/logs/train-resnet18-fashion_mnist_mini-s0.log',
        './runs/RUN/plan.json',
        './runs/RUN/results.json',
      ],
    });
  }, 120_000);
});
