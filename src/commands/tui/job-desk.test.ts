import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { FakeRuns } from '../../../test/fixtures/fake-runs.ts';
import { PACKAGE_ROOT, temporaryFolder } from '../../../test/rig.ts';
import { JOB_SCHEMAS, type JobKind } from '../../spec/job.ts';
import { runPaths } from '../../store/paths.ts';
import { jobFromFlags } from '../job-flags.ts';
import { jobDesk } from './job-desk.ts';

const workspace = temporaryFolder();
const desk = jobDesk(workspace, workspace);
const RUN = '20261124T120000Z-small-0001';

function templateOf(job: object) {
  const { job: file } = runPaths(workspace, RUN);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(job));
  return desk.template(RUN);
}

test.each(Object.keys(JOB_SCHEMAS))('a job of kind %s needs nothing to be typed', (kind) => {
  expect(desk.draft({ kind, values: {} })).toEqual({
    text: `${JSON.stringify({ version: 1, kind }, null, 2)}\n`,
    command: `capstone ${kind}`,
    problems: [],
  });
  expect(desk.fields(kind).every(({ label, description }) => label !== '' && description !== '')).toBe(true);
});

test('in a file elsewhere paths mean what they mean here', () => {
  const values = {
    '--model': '{"name":"mine","checkpoint":"a.pth"}',
    '--data-root': 'images',
    '--dataset': 'cifar10',
    '--recipe': './mild.json',
  };
  const job = { kind: 'sweep', values };
  expect(desk.textFor(job, 'job.json')).toBe(desk.draft(job).text);
  expect(JSON.parse(desk.textFor(job, 'specs/job.json'))).toEqual({
    version: 1,
    kind: 'sweep',
    models: [expect.objectContaining({ name: 'mine', checkpoint: join(workspace, 'a.pth') })],
    datasets: ['cifar10'],
    data_root: join(workspace, 'images'),
    recipes: [join(workspace, 'mild.json')],
  });
  expect(JSON.parse(desk.textFor({ kind: 'sweep', values: {} }, 'specs/job.json'))).toEqual({
    version: 1,
    kind: 'sweep',
  });
});

test('what is typed stands in the file and in the command, and what is wrong is said at once', () => {
  const values = {
    '--epochs': '3',
    '--levels': '1-2,5',
    '--require': 'acc_drop<=0.5',
    '--peak-memory': 'true',
  };
  const { text, command, problems } = desk.draft({ kind: 'sweep', values });
  expect(JSON.parse(text)).toEqual({
    version: 1,
    kind: 'sweep',
    levels: [1, 2, 5],
    train: { epochs: 3 },
    benchmark: { peak_memory: true },
    require: ['acc_drop<=0.5'],
  });
  expect(command).toBe("capstone sweep --levels 1-2,5 --epochs 3 --peak-memory --require 'acc_drop<=0.5'");
  expect(problems).toEqual([]);
  const wrong = { '--epochs': 'many', '--model': 'resnet81' };
  expect(desk.draft({ kind: 'train', values: wrong }).problems).toEqual([
    { flag: '--epochs', message: '--epochs: expected a number, found "many"' },
  ]);
  expect(desk.draft({ kind: 'train', values: { '--model': 'resnet81' } }).problems).toEqual([
    {
      flag: '--model',
      message: expect.stringMatching(
        /^--model: found "resnet81"\. Did you mean "resnet18"\? Expected one of/,
      ),
    },
  ]);
});

test.each(
  readdirSync(join(PACKAGE_ROOT, 'examples')).filter(
    (file) => !readFileSync(join(PACKAGE_ROOT, 'examples', file), 'utf8').includes('"extends"'),
  ),
)('examples/%s as a template is the same job', (file) => {
  const job = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'examples', file), 'utf8'));
  const template = templateOf(job);
  expect(template?.lost).toEqual([]);
  const raw = jobFromFlags(job.kind as JobKind, template?.job.values ?? {});
  const schema = JOB_SCHEMAS[job.kind as JobKind];
  expect(schema.parse(raw)).toEqual(schema.parse({ ...job, $schema: undefined }));
});

test('objects are fields in JSON, and what no field can hold is named', () => {
  const models = ['resnet34', { name: 'mine', arch: 'resnet18' }];
  const job = { kind: 'sweep', models, train: { threads: 2 }, levels: [2] };
  const text = '["resnet34",{"name":"mine","arch":"resnet18"}]';
  const template = templateOf(job);
  expect(template).toEqual({
    job: { kind: 'sweep', values: { '--levels': '2', '--model': text } },
    lost: ['train.threads, benchmark.threads'],
  });
  const { problems, command, text: file } = desk.draft({ kind: 'sweep', values: { '--model': text } });
  expect(problems).toEqual([]);
  expect(JSON.parse(file)).toMatchObject({ models });
  expect(command).toBe(`capstone sweep --model '${text}'`);
  expect(desk.draft({ kind: 'train', values: { '--model': '{"name":' } }).problems).toEqual([
    { flag: '--model', message: expect.stringContaining('an object in JSON') },
  ]);
});

test('a job file as a template, with what it extends', () => {
  writeFileSync(join(workspace, 'base.json'), JSON.stringify({ version: 1, kind: 'train', name: 'base' }));
  const job = { version: 1, extends: 'base.json', train: { epochs: 3 }, seeds: [1, 2] };
  writeFileSync(join(workspace, 'job.json'), JSON.stringify(job));
  expect(desk.templateFile('job.json')).toEqual({
    job: { kind: 'train', values: { '--name': 'base', '--epochs': '3', '--seed': '1,2' } },
    lost: [],
  });
  expect(desk.templateFile('nowhere.json')).toEqual({ refusal: expect.stringContaining('nowhere.json') });
  const runs = new FakeRuns({ desk });
  runs.onRuns([]);
  runs.press('n', 't', 'enter', 'enter');
  expect(runs.frame()).toMatch(/capstone train[^│]*--name base/);
});

test('the form: a field is changed, a wrong one marked, and only a job that can run is run', () => {
  const runs = new FakeRuns({ desk });
  runs.ui.resize({ columns: 100, rows: 30 });
  runs.onRuns([]);
  runs.press('n', 'down', 'down').press('enter', 'ctrl-u').type('resnet81').press('enter');
  expect(runs.frame()).toContain('> ✗ model               resnet81');
  expect(runs.press('R').asked).toEqual([]);
  expect(runs.frame()).toContain('Did you mean "resnet18"?');
  runs.press('u', 'up').press('enter').type('mine').press('enter');
  expect(runs.frame()).toContain('✓ ready to run');
  expect(runs.frame()).toContain('capstone sweep --name mine');
  runs.press('w', 'enter', 'R');
  expect(runs.asked).toEqual(['write job.json: {', 'start {"kind":"sweep","values":{"--name":"mine"}}']);
  runs.press('up', 'right');
  expect(runs.frame()).toContain('capstone train --name mine');
});
