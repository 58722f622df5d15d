import { describe, expect, test } from 'vitest';
import { refusal } from '../../test/fixtures/refusal.ts';
import { MachineError, UserError } from '../errors/errors.ts';
import { Job } from '../spec/job.ts';
import { ARCHITECTURES } from '../spec/names.ts';
import { Recipe } from '../spec/recipe.ts';
import type { ModelRecord } from '../spec/record.ts';
import type { Row } from '../spec/row.ts';
import type { Known } from './known.ts';
import { planJob, plannable } from './plan.ts';
import type { Plan } from './planned.ts';

const LEVEL = [{ step: 'prune_magnitude', amount: 0.5 }];
const recipe = Recipe.parse({
  version: 1,
  name: 'classic',
  families: { resnet: { levels: { '1': LEVEL, '2': LEVEL, '3': LEVEL, '4': LEVEL, '5': LEVEL } } },
});

function known(change: Partial<Known> = {}): Known {
  return {
    workspace: '/w',
    software: {
      torch: '2.2.2',
      torchvision: '0.17.2',
      numpy: '1.26.4',
      onnxruntime: '1.32.0',
      openvino: null,
    },
    cpu: { model: 'A CPU', isa: ['avx2'] },
    isa: 'avx2',
    int8Backend: 'x86',
    threads: 2,
    precisions: [],
    recipes: new Map([['classic', recipe]]),
    datasets: new Map([['fashion_mnist_mini', { source: 'bundled', root: '/data', digest: 'd'.repeat(64) }]]),
    files: new Map(),
    codes: new Map(),
    rows: [],
    partials: new Set(),
    partialFolder: (key) => `/w/checkpoints/.partial/${key}`,
    force: false,
    ...change,
  };
}

const sweep = (change = {}) => Job.parse({ version: 1, kind: 'sweep', levels: [1], ...change });
const lines = (plan: Plan) => plan.tasks.map(({ task, upToDate, because }) => [task.id, upToDate, because]);

/** The world after the plan has run: its files and rows are there. */
function afterRunning(plan: Plan): Known {
  const files = new Map();
  const rows: Row[] = [];
  for (const { task } of plan.tasks) {
    if (task.kind === 'benchmark') {
      for (const batch_size of task.spec.benchmark.batch_sizes) {
        const artifact_sha256 = task.paths.artifact === undefined ? null : 'b';
        rows.push({ task_key: task.key, batch_size, original_sha256: 'a', artifact_sha256 } as Row);
      }
      continue;
    }
    const { name } = task.spec.model;
    const dataset = task.kind === 'train' ? task.spec.dataset.name : task.spec.dataset;
    const record = {
      key: task.key,
      model: { name },
      dataset: { name: dataset },
      seed: task.spec.seed,
      parents: task.kind === 'compress' ? { checkpoint: { key: 'k', sha256: 'a' } } : {},
      ...(task.kind === 'compress' ? { recipe: task.spec.recipe } : {}),
    } as unknown as ModelRecord;
    files.set(task.paths.output, { sha256: task.kind === 'train' ? 'a' : 'b', record });
  }
  return known({ files, rows });
}

describe('planning a sweep', () => {
  test('trains, compresses and measures, each with its reason', () => {
    expect(lines(planJob(sweep(), known()))).toEqual([
      ['train-resnet18-fashion_mnist_mini-s0', false, 'resnet18_fashion_mnist_mini.pth is not there yet'],
      [
        'compress-resnet18-fashion_mnist_mini-s0-classic-l1',
        false,
        'compressed_resnet18_fashion_mnist_mini_l1.pt is not there yet',
      ],
      [
        'benchmark-resnet18-fashion_mnist_mini-s0-classic-l1',
        false,
        'train-resnet18-fashion_mnist_mini-s0 runs before it',
      ],
    ]);
  });

  test('finds everything up to date after it has run', () => {
    const world = afterRunning(planJob(sweep(), known()));
    expect(lines(planJob(sweep(), world))).toEqual([
      [
        'train-resnet18-fashion_mnist_mini-s0',
        true,
        'resnet18_fashion_mnist_mini.pth is there, made with these settings and inputs',
      ],
      [
        'compress-resnet18-fashion_mnist_mini-s0-classic-l1',
        true,
        'compressed_resnet18_fashion_mnist_mini_l1.pt is there, made with these settings and inputs',
      ],
      ['benchmark-resnet18-fashion_mnist_mini-s0-classic-l1', true, 'its 2 rows are there'],
    ]);
  });

  test('an original that was made anew elsewhere is compressed again', () => {
    const world = afterRunning(planJob(sweep(), known()));
    const path = '/w/checkpoints/resnet18_fashion_mnist_mini.pth';
    const files = new Map([...world.files, [path, { ...world.files.get(path), sha256: 'other' }]] as const);
    expect(lines(planJob(sweep(), { ...world, files } as Known)).slice(1)).toEqual([
      [
        'compress-resnet18-fashion_mnist_mini-s0-classic-l1',
        false,
        'resnet18_fashion_mnist_mini.pth was made anew since, elsewhere',
      ],
      [
        'benchmark-resnet18-fashion_mnist_mini-s0-classic-l1',
        false,
        'compress-resnet18-fashion_mnist_mini-s0-classic-l1 runs before it',
      ],
    ]);
  });

  test('changed epochs run training and all after it; changed eval samples the benchmarks alone', () => {
    const world = afterRunning(planJob(sweep(), known()));
    const runs = (change: object) => planJob(sweep(change), world).tasks.map((task) => !task.upToDate);
    expect(runs({ train: { epochs: 26 } })).toEqual([true, true, true]);
    expect(runs({ benchmark: { max_eval_samples: 10 } })).toEqual([false, false, true]);
  });

  test('a file that changed on disk is measured again', () => {
    const world = afterRunning(planJob(sweep(), known()));
    const artifact = '/w/compressed_models/compressed_resnet18_fashion_mnist_mini_l1.pt';
    const files = new Map(world.files);
    files.set(artifact, { ...world.files.get(artifact), sha256: 'c' });
    const measured = planJob(sweep(), { ...world, files }).tasks.at(-1);
    expect(measured).toMatchObject({
      upToDate: false,
      because: 'the model files changed since they were measured',
    });
  });

  test('an interrupted training says that it goes on', () => {
    const first = planJob(sweep(), known()).tasks[0];
    const plan = planJob(sweep(), known({ partials: new Set([first?.task.key ?? '']) }));
    expect(plan.tasks[0]?.because).toBe(
      'resnet18_fashion_mnist_mini.pth is not there yet, going on from where it was interrupted',
    );
  });

  test('two seeds have files, ids and rows of their own', () => {
    const { tasks } = planJob(sweep({ seeds: [0, 1] }), known());
    expect(tasks.map(({ task }) => ('output' in task.paths ? task.paths.output : task.id))).toEqual([
      '/w/checkpoints/resnet18_fashion_mnist_mini.pth',
      '/w/checkpoints/resnet18_fashion_mnist_mini_s1.pth',
      '/w/compressed_models/compressed_resnet18_fashion_mnist_mini_l1.pt',
      '/w/compressed_models/compressed_resnet18_fashion_mnist_mini_s1_l1.pt',
      'benchmark-resnet18-fashion_mnist_mini-s0-classic-l1',
      'benchmark-resnet18-fashion_mnist_mini-s1-classic-l1',
    ]);
  });
});

test('levels of one original and recipe are measured together, and a dense network alone', () => {
  const world = known({
    recipes: new Map([
      ['classic', recipe],
      ['other', { ...recipe, name: 'other' }],
    ]),
  });
  const models = [{ name: 'resnet18', baseline: true }, 'resnet18'];
  const job = sweep({ models, recipes: ['classic', 'other'], levels: [1, 2], seeds: [0, 1] });
  const names = planJob(job, world)
    .tasks.filter(({ task }) => task.kind === 'benchmark')
    .map(({ task, together }) => [task.id, together]);
  const of = (seed: number, recipe: string) => `benchmark-resnet18-fashion_mnist_mini-s${seed}-${recipe}`;
  expect(Object.fromEntries(names)).toEqual(
    Object.fromEntries(
      [0, 1].flatMap((seed) => [
        ...['classic', 'other'].flatMap((recipe) =>
          [1, 2].map((level) => [`${of(seed, recipe)}-l${level}`, of(seed, recipe)]),
        ),
        [of(seed, 'dense'), undefined],
      ]),
    ),
  );
});

describe('a dense network', () => {
  const DENSE = { name: 'resnet20', baseline: true };
  const ids = (plan: Plan) => plan.tasks.map(({ task }) => task.id);

  test('is trained and measured once, whatever the recipes and levels', () => {
    const plan = planJob(sweep({ models: ['resnet18', DENSE], levels: [1, 2] }), known());
    expect(ids(plan)).toEqual([
      'train-resnet18-fashion_mnist_mini-s0',
      'train-resnet20-fashion_mnist_mini-s0',
      'compress-resnet18-fashion_mnist_mini-s0-classic-l1',
      'compress-resnet18-fashion_mnist_mini-s0-classic-l2',
      'benchmark-resnet18-fashion_mnist_mini-s0-classic-l1',
      'benchmark-resnet18-fashion_mnist_mini-s0-classic-l2',
      'benchmark-resnet20-fashion_mnist_mini-s0-dense',
    ]);
    const planned = plan.tasks.at(-1);
    expect(planned).toMatchObject({
      label: 'benchmark resnet20 on fashion_mnist_mini, dense',
      needs: ['train-resnet20-fashion_mnist_mini-s0'],
      exclusive: true,
      because: 'train-resnet20-fashion_mnist_mini-s0 runs before it',
      task: { spec: { recipe: { name: 'dense', level: 0 } } },
    });
    expect(planned?.task.inputs).toEqual({ original: plan.tasks[1]?.task.key, dataset: 'd'.repeat(64) });
    expect(planned?.task.paths).toEqual({
      original: '/w/checkpoints/resnet20_fashion_mnist_mini.pth',
      dataset: '/data',
    });
  });

  test('is up to date while its rows are there and its file is the one measured', () => {
    const job = sweep({ models: [DENSE] });
    const world = afterRunning(planJob(job, known()));
    expect(lines(planJob(job, world)).at(-1)).toEqual([
      'benchmark-resnet20-fashion_mnist_mini-s0-dense',
      true,
      'its 2 rows are there',
    ]);
    const files = new Map([...world.files].map(([path, facts]) => [path, { ...facts, sha256: 'c' }]));
    expect(planJob(job, { ...world, files }).tasks.at(-1)?.because).toBe(
      'the model files changed since they were measured',
    );
  });

  test('that is compressed too is one network, trained once', () => {
    const both = (kind: string) =>
      ids(planJob(Job.parse({ version: 1, kind, models: [DENSE, 'resnet20'] }), known()));
    expect(both('train')).toEqual(['train-resnet20-fashion_mnist_mini-s0']);
    expect(both('sweep').filter((id) => !/-l[2-5]$/.test(id))).toEqual([
      'train-resnet20-fashion_mnist_mini-s0',
      'compress-resnet20-fashion_mnist_mini-s0-classic-l1',
      'benchmark-resnet20-fashion_mnist_mini-s0-classic-l1',
      'benchmark-resnet20-fashion_mnist_mini-s0-dense',
    ]);
    const models = [{ ...DENSE, checkpoint: '/m.pth' }, 'resnet20'];
    expect(refusal(() => planJob(sweep({ models }), known()))).toEqual([
      'model_twice',
      'two models of the job are called resnet20 and differ in more than "baseline"',
      'Give each a name of its own, or both the same keys but for "baseline".',
    ]);
  });

  test('can be a checkpoint that is there, unless it was compressed', () => {
    const measured = (recipe?: object) => {
      const record = {
        key: 'k',
        model: { name: 'resnet20', arch: 'resnet20', stem: 'cifar', image_size: 32 },
        dataset: { name: 'fashion_mnist_mini' },
        seed: 0,
        ...(recipe === undefined ? {} : { recipe }),
      } as unknown as ModelRecord;
      const models = [{ ...DENSE, checkpoint: '/m.pth' }];
      const world = known({ files: new Map([['/m.pth', { sha256: 'a', record }]]) });
      return planJob(Job.parse({ version: 1, kind: 'benchmark', models }), world);
    };
    expect(ids(measured())).toEqual(['benchmark-resnet20-fashion_mnist_mini-s0-dense']);
    expect(refusal(() => measured({ name: 'deploy', level: 3 }))).toEqual([
      'not_dense',
      '/m.pth: expected a network that was never compressed, the file was made with deploy level 3',
      'Leave out "baseline", or name the checkpoint that it was made from.',
    ]);
  });
});

describe('models', () => {
  const trained = (...models: unknown[]) =>
    planJob(Job.parse({ version: 1, kind: 'train', models }), known()).tasks.map(({ task }) => task);

  test('have the image size of their architecture unless they name one', () => {
    const specs = trained('vit_b_16', { name: 'small', arch: 'vit_b_16', image_size: 32 }, 'resnet18');
    expect(specs.map((task) => task.spec.model)).toEqual([
      { name: 'vit_b_16', arch: 'vit_b_16', stem: 'imagenet', image_size: 224 },
      { name: 'small', arch: 'vit_b_16', stem: 'imagenet', image_size: 32 },
      { name: 'resnet18', arch: 'resnet18', stem: 'imagenet', image_size: 32 },
    ]);
  });

  test('name the file of the weights they start from, and have another key for it', () => {
    const fresh = trained({ name: 'vit_b_16', image_size: 32 })[0];
    const started = trained({ name: 'vit_b_16', image_size: 32, weights: 'imagenet' })[0];
    expect(fresh?.spec).not.toHaveProperty('weights');
    expect(started?.spec).toMatchObject({ weights: 'vit_b_16-c867db91.pth' });
    expect(started?.key).not.toBe(fresh?.key);
  });
});

describe('a network of one’s own', () => {
  const SHA = 'c'.repeat(64);
  const NORMALISATION = { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] };
  const MINE = { name: 'mine', code: '/spec/net.py:small' };
  const CODE = { function: 'small', sha256: SHA };
  const CHECKPOINT = '/w/checkpoints/mine_fashion_mnist_mini.pth';
  const general = Recipe.parse({
    version: 1,
    name: 'mine',
    levels: { '1': LEVEL, '2': LEVEL, '3': LEVEL, '4': LEVEL, '5': LEVEL },
  });
  const world = (change: Partial<Known> = {}) =>
    known({
      recipes: new Map([['mine', general]]),
      codes: new Map([['/spec/net.py', SHA]]),
      ...change,
    });
  const job = (kind: string, model: object, change: object = {}) =>
    Job.parse({
      version: 1,
      kind,
      models: [model],
      ...(kind === 'train' ? {} : { recipes: ['mine'], levels: [1] }),
      ...change,
    });
  const tasks = (...of: Parameters<typeof job>) => planJob(job(...of), world()).tasks.map(({ task }) => task);
  const recorded = (change: object = {}) => ({
    sha256: 'a',
    record: {
      key: 'k',
      model: { name: 'mine', arch: 'custom', family: 'custom', image_size: 32, num_classes: 10 },
      dataset: { name: 'fashion_mnist_mini' },
      seed: 0,
      ...change,
    } as unknown as ModelRecord,
  });

  test('is told to its training, and to nobody who reads what that makes', () => {
    const [train, ...others] = tasks('sweep', { ...MINE, ...NORMALISATION, num_classes: 10, image_size: 16 });
    expect(train).toMatchObject({
      kind: 'train',
      spec: {
        model: { name: 'mine', arch: 'custom', image_size: 16 },
        code: CODE,
        num_classes: 10,
        normalisation: NORMALISATION,
        train: { precision: 'fp32' },
      },
      paths: { code: '/spec/net.py', output: CHECKPOINT },
    });
    expect(train?.spec.model).not.toHaveProperty('stem');
    for (const task of others) {
      expect(task.paths).not.toHaveProperty('code');
      for (const key of ['code', 'num_classes', 'normalisation']) expect(task.spec).not.toHaveProperty(key);
    }
  });

  test('is told to all who read a checkpoint from elsewhere', () => {
    const model = { ...MINE, ...NORMALISATION, checkpoint: '/spec/mine.th', num_classes: 10 };
    const files = new Map([['/spec/mine.th', { sha256: 'f' }]]);
    const planned = planJob(job('sweep', model), world({ files })).tasks.map(({ task }) => task);
    expect(planned.map(({ kind }) => kind)).toEqual(['compress', 'benchmark']);
    for (const task of planned) {
      expect(task.paths.code).toBe('/spec/net.py');
      expect(task.spec).toMatchObject({ code: CODE, num_classes: 10, normalisation: NORMALISATION });
    }
  });

  test('another file of code is another training; another place of the same is not', () => {
    const key = (code: string, sha: string) =>
      planJob(job('train', { ...MINE, code }), world({ codes: new Map([[code.split(':')[0] ?? '', sha]]) }))
        .tasks[0]?.task.key;
    const first = key('/spec/net.py:small', SHA);
    expect(key('/moved/net.py:small', SHA)).toBe(first);
    expect(key('/spec/net.py:small', 'd'.repeat(64))).not.toBe(first);
    expect(key('/spec/net.py:large', SHA)).not.toBe(first);
  });

  test('is compressed and measured without its code, once there is a file of ours', () => {
    const files = new Map([[CHECKPOINT, recorded()]]);
    const withoutCode = world({ files, codes: new Map() });
    const key = (model: object) => planJob(job('compress', model), withoutCode).tasks[0]?.task;
    const [bySpec, byFile] = [key(MINE), key({ name: 'mine', checkpoint: CHECKPOINT })];
    expect(bySpec?.paths).not.toHaveProperty('code');
    expect(byFile).toEqual(bySpec);
  });

  test('is refused where its file is missing, or its checkpoint says something else', () => {
    expect(refusal(() => planJob(job('train', MINE), world({ codes: new Map() })))).toEqual([
      'code_missing',
      'model mine: /spec/net.py is not there, or no file',
      'Check the path in "code". What was trained from it is compressed and measured without it.',
    ]);
    const asked = (model: object, facts: object) =>
      refusal(() =>
        planJob(
          job('compress', { ...model, checkpoint: '/m.pth' }),
          world({ files: new Map([['/m.pth', facts as ReturnType<typeof recorded>]]) }),
        ),
      );
    const OTHERWISE =
      'Name the file that belongs to these settings, or the settings that belong to this file.';
    expect(asked({ name: 'mine' }, { sha256: 'f' })).toEqual([
      'model_arch_needed',
      '/m.pth: not written by capstone, so it does not say which network it belongs to',
      'Give "arch" beside "checkpoint", or "code" for a network of your own.',
    ]);
    expect(asked({ name: 'resnt18' }, { sha256: 'f' })?.slice(2)).toEqual([
      'Did you mean "resnet18"?',
      'Give "arch" beside "checkpoint", or "code" for a network of your own.',
    ]);
    expect(refusal(() => planJob(job('compress', MINE), world()))).toEqual([
      'checkpoint_missing',
      `${CHECKPOINT} does not exist`,
      'Make it first: the same spec with kind "train".',
    ]);
    expect(
      refusal(() => planJob(job('benchmark', MINE), world({ files: new Map([[CHECKPOINT, recorded()]]) }))),
    ).toEqual([
      'artifact_missing',
      '/w/compressed_models/compressed_mine_fashion_mnist_mini_mine_l1.pt does not exist',
      'Make it first: the same spec with kind "compress".',
    ]);
    expect(asked({ ...MINE, num_classes: 5 }, recorded())).toEqual([
      'model_made_otherwise',
      '/m.pth: expected num_classes 5, the file was made with num_classes 10',
      OTHERWISE,
    ]);
    const other = recorded({ normalisation: { mean: [0.1, 0.2, 0.3], std: [0.25, 0.25, 0.25] } });
    expect(asked({ ...MINE, ...NORMALISATION }, other)).toEqual([
      'model_made_otherwise',
      '/m.pth: expected mean 0.5,0.5,0.5, the file was made with mean 0.1,0.2,0.3',
      OTHERWISE,
    ]);
    expect(asked({ name: 'resnet18' }, recorded())).toEqual([
      'model_wrong_arch',
      '/m.pth: expected resnet18, the file holds custom',
      'Name the model custom, or another file.',
    ]);
  });

  test('needs a recipe that serves every family', () => {
    const recipes = new Map([['classic', recipe]]);
    expect(refusal(() => planJob(job('sweep', MINE, { recipes: ['classic'] }), world({ recipes })))).toEqual([
      'recipe_family_missing',
      'recipe classic says nothing about models of the family custom; it knows resnet',
      'Use a recipe with "levels" for every family, such as deploy, or add "custom" under "families".',
    ]);
    // What is measured was made already, by whatever steps.
    expect(plannable(job('benchmark', MINE, { recipes: ['classic'] }), '/w', recipes)).toHaveLength(1);
  });
});

test('what a step leaves to the machine is settled in its key', () => {
  const steps = [{ step: 'quantize_static' }];
  const levels = { '1': steps, '2': steps, '3': steps, '4': steps, '5': steps };
  const int8 = Recipe.parse({ version: 1, name: 'int8', levels });
  const planned = (int8Backend: Known['int8Backend']) => {
    const world = known({ int8Backend, recipes: new Map([['int8', int8]]) });
    return planJob(sweep({ recipes: ['int8'] }), world).tasks[1]?.task;
  };
  const [here, there] = [planned('x86'), planned('qnnpack')];
  expect(here?.spec).toMatchObject({ recipe: { steps: [{ backend: 'x86' }] } });
  expect(there?.spec).toMatchObject({ recipe: { steps: [{ backend: 'qnnpack' }] } });
  expect(here?.key).not.toBe(there?.key);
});

describe('refusals', () => {
  test('a file in the way that is not ours', () => {
    const files = new Map([['/w/checkpoints/resnet18_fashion_mnist_mini.pth', { sha256: 'f' }]]);
    expect(refusal(() => planJob(sweep(), known({ files })))).toEqual([
      'output_in_the_way',
      '/w/checkpoints/resnet18_fashion_mnist_mini.pth exists and is not what train-resnet18-fashion_mnist_mini-s0 would replace',
      'Move it away, choose another "output", or allow it to be replaced with --force.',
    ]);
    expect(planJob(sweep(), known({ files, force: true })).tasks[0]?.because).toBe(
      'resnet18_fashion_mnist_mini.pth was made with other settings, inputs or software',
    );
  });

  test('a training never writes over what was compressed', () => {
    const world = afterRunning(planJob(sweep(), known()));
    const output = '/w/compressed_models/compressed_resnet18_fashion_mnist_mini_l1.pt';
    const job = Job.parse({ version: 1, kind: 'train', output });
    expect(refusal(() => planJob(job, world))?.slice(0, 2)).toEqual([
      'output_in_the_way',
      `${output} exists and is not what train-resnet18-fashion_mnist_mini-s0 would replace`,
    ]);
  });

  test('an original or an artifact that is not there', () => {
    const compress = Job.parse({ version: 1, kind: 'compress' });
    expect(refusal(() => planJob(compress, known()))).toEqual([
      'checkpoint_missing',
      '/w/checkpoints/resnet18_fashion_mnist_mini.pth does not exist',
      'Make it first: capstone train --model resnet18 --dataset fashion_mnist_mini',
    ]);
    const files = new Map([['/w/checkpoints/resnet18_fashion_mnist_mini.pth', { sha256: 'f' }]]);
    expect(refusal(() => planJob(Job.parse({ version: 1, kind: 'benchmark' }), known({ files })))).toEqual([
      'artifact_missing',
      '/w/compressed_models/compressed_resnet18_fashion_mnist_mini_l1.pt does not exist',
      'Make it first: capstone compress --model resnet18 --dataset fashion_mnist_mini --compression-level 1',
    ]);
  });

  test.each([
    [{ seeds: [3] }, 'capstone train --model resnet18 --dataset fashion_mnist_mini --seed 3'],
    [{ models: [{ name: 'mine', arch: 'resnet18' }] }, 'the same spec with kind "train".'],
    [{ models: [{ name: 'resnet18', stem: 'cifar' }] }, 'the same spec with kind "train".'],
    [{ models: [{ name: 'resnet18', image_size: 64 }] }, 'the same spec with kind "train".'],
  ])('what makes the very original that is missing: %j', (change, command) => {
    const job = Job.parse({ version: 1, kind: 'compress', levels: [1], ...change });
    expect(refusal(() => planJob(job, known()))?.[2]).toBe(`Make it first: ${command}`);
  });

  test('what makes the very artifact that is missing', () => {
    const files = new Map([['/w/checkpoints/resnet18_fashion_mnist_mini_s1.pth', { sha256: 'f' }]]);
    const recipes = new Map([['mine.json', Recipe.parse({ ...recipe, name: 'mine' })]]);
    const job = Job.parse({ version: 1, kind: 'benchmark', levels: [1], seeds: [1], recipes: ['mine.json'] });
    expect(refusal(() => planJob(job, known({ files, recipes })))?.[2]).toBe(
      'Make it first: capstone compress --model resnet18 --dataset fashion_mnist_mini --seed 1 --recipe mine.json --compression-level 1',
    );
  });

  test('a runtime that the interpreter does not have', () => {
    const asked = (...runtimes: string[]) => planJob(sweep({ benchmark: { runtimes } }), known());
    expect(asked('torch', 'torch_frozen', 'onnxruntime').tasks).toHaveLength(3);
    expect(() => asked('torch', 'openvino')).toThrow(
      new MachineError('runtime_missing', 'the Python environment has no openvino, which the job asks for', [
        'Install it there (pip install onnx openvino), or leave it out of benchmark.runtimes',
        'capstone setup makes an environment that has all runtimes.',
      ]),
    );
  });

  test('an unknown model, with the nearest known one', () => {
    expect(refusal(() => planJob(sweep({ models: ['resnet81'] }), known()))).toEqual([
      'model_unknown',
      `unknown model "resnet81"; known: ${Object.keys(ARCHITECTURES).join(', ')}`,
      'Did you mean "resnet18"?',
    ]);
  });

  test('two models of one name', () => {
    const models = ['resnet18', { name: 'resnet18', arch: 'resnet18', stem: 'cifar' }];
    expect(refusal(() => planJob(sweep({ models }), known()))).toEqual([
      'task_twice',
      'the job asks for train-resnet18-fashion_mnist_mini-s0 twice',
      'Give each model, data set and recipe a name of its own.',
    ]);
  });

  describe('a file that is not what the job says', () => {
    const path = '/w/checkpoints/resnet18_fashion_mnist_mini.pth';
    const artifact = '/w/compressed_models/compressed_resnet18_fashion_mnist_mini_l1.pt';
    const MODEL = { name: 'resnet18', arch: 'resnet18', stem: 'imagenet', image_size: 32, family: 'resnet' };
    const record = (change: object = {}): ModelRecord =>
      ({
        key: 'k',
        model: MODEL,
        dataset: { name: 'fashion_mnist_mini' },
        seed: 0,
        ...change,
      }) as ModelRecord;
    const files = (original: object, compressed?: object) =>
      new Map([
        [path, { sha256: 'a', ...original }],
        ...(compressed === undefined ? [] : ([[artifact, { sha256: 'b', ...compressed }]] as const)),
      ]);
    const OTHERWISE =
      'Name the file that belongs to these settings, or the settings that belong to this file.';
    const compress = Job.parse({ version: 1, kind: 'compress', levels: [1] });
    const benchmark = Job.parse({ version: 1, kind: 'benchmark', levels: [1] });
    const refusedWith = (job: Job, world: ReturnType<typeof files>) =>
      refusal(() => planJob(job, known({ files: world })));

    test('an original of another architecture, data set, seed or size', () => {
      const vit = record({ model: { ...MODEL, arch: 'vit_b_16' } });
      expect(refusedWith(compress, files({ record: vit }))).toEqual([
        'model_wrong_arch',
        `${path}: expected resnet18, the file holds vit_b_16`,
        'Name the model vit_b_16, or another file.',
      ]);
      const made: [object, string][] = [
        [{ dataset: { name: 'pets' } }, 'dataset fashion_mnist_mini, the file was made with dataset pets'],
        [{ seed: 3 }, 'seed 0, the file was made with seed 3'],
        [{ model: { ...MODEL, image_size: 64 } }, 'image_size 32, the file was made with image_size 64'],
        [{ model: { ...MODEL, stem: 'cifar' } }, 'stem imagenet, the file was made with stem cifar'],
      ];
      for (const [change, said] of made) {
        expect(refusedWith(compress, files({ record: record(change) }))).toEqual([
          'model_made_otherwise',
          `${path}: expected ${said}`,
          OTHERWISE,
        ]);
      }
    });

    test('a checkpoint that was brought keeps its stem and size, and must be of the architecture and data set', () => {
      const given = (change: object) =>
        Job.parse({
          version: 1,
          kind: 'compress',
          levels: [1],
          models: [{ name: 'resnet18', checkpoint: path }],
          ...change,
        });
      const other = files({ record: record({ model: { ...MODEL, stem: 'cifar', image_size: 64 } }) });
      expect(planJob(given({}), known({ files: other })).tasks[0]?.task.spec.model).toMatchObject({
        stem: 'cifar',
        image_size: 64,
      });
      expect(refusedWith(given({ datasets: ['cifar10'] }), other)).toEqual([
        'model_made_otherwise',
        `${path}: expected dataset cifar10, the file was made with dataset fashion_mnist_mini`,
        OTHERWISE,
      ]);
    });

    test('an artifact of another level, or of another original', () => {
      const parents = (sha256: string) => ({ parents: { checkpoint: { key: 'k', sha256 } } });
      const made = (level: number, sha256: string) => ({
        record: record({ ...parents(sha256), recipe: { name: 'classic', level, steps: [] } }),
      });
      expect(refusedWith(benchmark, files({ record: record() }, made(1, 'a')))).toBeUndefined();
      expect(refusedWith(benchmark, files({ record: record() }, made(2, 'a')))).toEqual([
        'model_made_otherwise',
        `${artifact}: expected level 1, the file was made with level 2`,
        OTHERWISE,
      ]);
      expect(refusedWith(benchmark, files({ record: record() }, made(1, 'z')))).toEqual([
        'not_the_parent',
        `${artifact} was not made from ${path}`,
        'Compress this original again, or put the original back that the artifact was made from.',
      ]);
    });

    test('one that no worker could read, whatever it is named for', () => {
      const unusable = new UserError('model_truncated', `${path}: the file ends too early`, [
        'Make it again.',
      ]);
      expect(refusedWith(compress, files({ unusable }))).toEqual([
        'model_truncated',
        `${path}: the file ends too early`,
        'Make it again.',
      ]);
    });

    test('a folder where a file is to be written, --force or not', () => {
      const unusable = new UserError('model_not_a_file', `${path}: expected a model file, found a folder`);
      const world = known({ files: files({ unusable }), force: true });
      expect(refusal(() => planJob(sweep(), world))).toEqual([
        'output_not_a_file',
        `${path} is no file, and train-resnet18-fashion_mnist_mini-s0 would write one there`,
        'Move it away, or choose another "output".',
      ]);
    });
  });

  test('two tasks for one output', () => {
    const job = Job.parse({ version: 1, kind: 'train', seeds: [0, 1], output: '/w/x.pth' });
    expect(refusal(() => planJob(job, known()))).toEqual([
      'output_shared',
      'train-resnet18-fashion_mnist_mini-s0 and train-resnet18-fashion_mnist_mini-s1 would both write /w/x.pth',
      'Leave out "output" where the plan has more than one task of its kind.',
    ]);
  });
});
