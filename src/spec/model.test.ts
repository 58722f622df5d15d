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

test('names that every object has are no architectures', () => {
  expect(architecture('constructor')).toBeUndefined();
  expect(architecture('vit_b_16')).toBe(ARCHITECTURES['vit_b_16']);
});
