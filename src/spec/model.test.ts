import { expect, test } from 'vitest';
import { check } from './check.ts';
import { drawProblem } from './draw-problem.ts';
import { Job } from './job.ts';
import { ARCHITECTURES, architecture } from './names.ts';

const problems = (...models: unknown[]) => {
  const checked = check(Job, [
    { name: 'job.json', folder: '', value: { version: 1, kind: 'train', models } },
  ]);
  return checked.ok ? [] : checked.problems.map((problem) => drawProblem(problem));
};

test('what each architecture can have', () => {
  expect(
    problems(
      'vit_b_16',
      { name: 'small', arch: 'vit_b_16', image_size: 32 },
      { name: 'fine', arch: 'vit_b_16', image_size: 224, weights: 'imagenet' },
      { name: 'resnet18', image_size: 33, stem: 'cifar' },
      { name: 'started', arch: 'resnet18', weights: 'imagenet' },
      'resnet20',
      { name: 'explicit', arch: 'resnet56', stem: 'cifar' },
      { name: 'of-mine', checkpoint: 'mine.pth', image_size: 40 },
    ),
  ).toEqual([]);
});

test('what none can have, all at once', () => {
  expect(
    problems(
      { name: 'vit_b_16', image_size: 40 },
      { name: 'tiny', arch: 'vit_b_16', image_size: 16, stem: 'cifar' },
      { name: 'resnet18', weights: 'imagenet', stem: 'cifar' },
      { name: 'given', arch: 'resnet18', weights: 'imagenet', checkpoint: 'mine.pth' },
      { name: 'else', arch: 'resnet18', weights: 'imagenett' },
      { name: 'resnet20', stem: 'imagenet', weights: 'imagenet' },
    ),
  ).toEqual([
    'job.json, models[0].image_size: expected a multiple of 16, at least 32, found 40',
    'job.json, models[1].stem: expected imagenet, found "cifar"',
    'job.json, models[1].image_size: expected a multiple of 16, at least 32, found 16',
    'job.json, models[2].weights: expected none with the stem cifar, found "imagenet"',
    'job.json, models[3].weights: expected none beside a checkpoint, found "imagenet"',
    'job.json, models[4].weights: expected "imagenet", found "imagenett"',
    'job.json, models[5].stem: expected cifar, found "imagenet"',
    'job.json, models[5].weights: expected none: nobody publishes such weights of this architecture, found "imagenet"',
  ]);
});

test('a network of one’s own, and what the user says of a network', () => {
  const mean = [0.485, 0.456, 0.406];
  const std = [0.229, 0.224, 0.225];
  expect(
    problems(
      { name: 'mine', code: 'net.py:resnet56', checkpoint: 'resnet56.th', num_classes: 10, mean, std },
      { name: 'trained', code: 'folder:with/net.py:small', image_size: 33 },
      { name: 'resnet18', code: 'net.py:resnet18', image_size: 8 },
      { name: 'theirs', arch: 'resnet18', checkpoint: 'theirs.pth', num_classes: 10, mean, std },
      { name: 'fresh', arch: 'resnet20', mean, std },
      { name: 'says-itself', checkpoint: 'checkpoints/mine_cifar10.pth' },
    ),
  ).toEqual([]);
  expect(
    problems(
      { name: 'a', code: 'net.py' },
      { name: 'b', code: 'net.py:' },
      { name: 'c', code: 'net.py:f', arch: 'resnet18', stem: 'cifar', weights: 'imagenet' },
      { name: 'd', arch: 'resnet18', mean },
      { name: 'e', arch: 'resnet18', std: [0.2, 0, 0.2], mean: [0.5, 123.7, 0.5] },
      { name: 'f', arch: 'resnet18', mean: [0.5], std },
      { name: 'resnet18', weights: 'imagenet', mean, std },
      { name: 'g', code: 'net.py:f', num_classes: 1 },
      { name: 'h', code: 'net.py:f', trust_code: true },
    ),
  ).toEqual([
    'job.json, models[0].code: expected a Python file and a function in it, such as "net.py:resnet56", found "net.py"',
    'job.json, models[1].code: expected a Python file and a function in it, such as "net.py:resnet56", found "net.py:"',
    'job.json, models[2].arch: expected none beside code, found "resnet18"',
    'job.json, models[2].stem: expected none beside code, found "cifar"',
    'job.json, models[2].weights: expected none beside code, found "imagenet"',
    'job.json, models[3].std: expected three numbers beside mean, found nothing',
    'job.json, models[4].mean[1]: expected a number, at most 1, found 123.7',
    'job.json, models[4].std[1]: expected a number, more than 0, found 0',
    'job.json, models[5].mean: expected at least 3 entries, found [0.5]',
    'job.json, models[6].mean: expected none beside weights, which have their own, found [0.485,0.456,0.406]',
    'job.json, models[7].num_classes: expected a number, at least 2, found 1',
    'job.json, models[8].trust_code: expected one of the keys name, arch, code, checkpoint, baseline, weights, stem, image_size, num_classes, mean, std, found "trust_code"',
  ]);
});

test('names that every object has are no architectures', () => {
  expect(architecture('constructor')).toBeUndefined();
  expect(architecture('vit_b_16')).toBe(ARCHITECTURES['vit_b_16']);
});
