/** Specs as a user writes them, and every word that is said about them. */
import { describe, expect, test } from 'vitest';
import { check } from './check.ts';
import { checkJob } from './check-job.ts';
import { drawProblems } from './draw-problem.ts';
import { PRESETS, TrainJob } from './job.ts';
import { parseJson } from './json-text.ts';
import type { Layer } from './layers.ts';
import { ARCHITECTURES } from './names.ts';
import { Recipe } from './recipe.ts';

const MODELS = Object.keys(ARCHITECTURES).join(', ');

function file(text: string, name = 'job.json'): Layer {
  const parsed = parseJson(text);
  if (!parsed.ok) throw new Error(parsed.problem.expected);
  return { name, folder: '/', value: parsed.text.value, text: parsed.text };
}
function said(...layers: Layer[]): string {
  const checked = checkJob(layers);
  return checked.ok ? 'valid' : drawProblems(checked.problems);
}

test('every problem at once, in the order of the text, each with its line and what was probably meant', () => {
  const spec = `{
  "version": 1,
  "kind": "compress",
  "train": {"epochs": 1},
  "levels": [1, 6, 1.5],
  "models": ["restnet18", 7, {"name": "mine"}],
  "seeds": [0, 0], "seed": 3, "recipes": [],
\t"datasets": [{"name": "a b"}], "executor": {"concurency": "2"}
}`;
  expect(said(file(spec))).toBe(`12 problems
  job.json:4:3, train: expected a key of compress jobs, found "train", which belongs to train and sweep jobs
      "train": {"epochs": 1},
      ^^^^^^^
  job.json:5:17, levels[1]: expected a level from 1 to 5, found 6
      "levels": [1, 6, 1.5],
                    ^
  job.json:5:20, levels[2]: expected a whole number, found 1.5
      "levels": [1, 6, 1.5],
                       ^^^
  job.json:6:14, models[0]: expected one of ${MODELS}, found "restnet18". Did you mean "resnet18"?
      "models": ["restnet18", 7, {"name": "mine"}],
                 ^^^^^^^^^^^
  job.json:6:27, models[1]: expected a string or an object, found 7
      "models": ["restnet18", 7, {"name": "mine"}],
                              ^
  job.json:6:39, models[2].name: expected "arch" or "code" beside it, or one of ${MODELS}, found "mine"
      "models": ["restnet18", 7, {"name": "mine"}],
                                          ^^^^^^
  job.json:7:16, seeds[1]: expected each value once, found 0 again
      "seeds": [0, 0], "seed": 3, "recipes": [],
                   ^
  job.json:7:20, seed: expected a known key, found "seed". Did you mean "seeds"?
      "seeds": [0, 0], "seed": 3, "recipes": [],
                       ^^^^^^
  job.json:7:42, recipes: expected at least 1 entry, found []
      "seeds": [0, 0], "seed": 3, "recipes": [],
                                             ^^
  job.json:8:15, datasets[0].path: expected a string, found nothing
      "datasets": [{"name": "a b"}], "executor": {"concurency": "2"}
                   ^
  job.json:8:24, datasets[0].name: expected letters, digits, ".", "_" and "-", 64 at most, a letter or digit first, found "a b"
      "datasets": [{"name": "a b"}], "executor": {"concurency": "2"}
                            ^^^^^
  job.json:8:46, executor.concurency: expected a known key, found "concurency". Did you mean "concurrency"?
      "datasets": [{"name": "a b"}], "executor": {"concurency": "2"}
                                                  ^^^^^^^^^^^^`);
});

test.each([
  ['{"version": 1}', 'job.json, kind: expected one of train, compress, benchmark, sweep, found nothing'],
  ['7', 'job.json: expected an object, found 7'],
  ['{"kind": "train"}', 'job.json, version: expected 1, found nothing'],
])('what is missing from %s', (text, message) => {
  expect(said(file(text))).toBe(message);
});

test('a kind that is nearly one is checked as that one', () => {
  expect(said(file('{"version": 1, "kind": "trian", "train": {"epochs": 0}}'))).toBe(`2 problems
  job.json:1:24, kind: expected one of train, compress, benchmark, sweep, found "trian". Did you mean "train"?
      {"version": 1, "kind": "trian", "train": {"epochs": 0}}
                             ^^^^^^^
  job.json:1:53, train.epochs: expected a number, at least 1, found 0
      {"version": 1, "kind": "trian", "train": {"epochs": 0}}
                                                          ^`);
});

test('a key that is near to none: the keys there are', () => {
  expect(said(file('{"version": 1, "kind": "sweep", "executor": {"workers": 2}}'))).toBe(
    `job.json:1:46, executor.workers: expected one of the keys kind, concurrency, found "workers"
    {"version": 1, "kind": "sweep", "executor": {"workers": 2}}
                                                 ^^^^^^^^^`,
  );
});

test('a version from the future: nothing else is said of the file', () => {
  const spec = file('{"version": 2, "kind": "distill", "teachers": []}');
  expect(checkJob([spec])).toMatchObject({ ok: false, fromTheFuture: true });
  expect(said(spec)).toBe(`job.json:1:13, version: expected 1, found 2, which a newer capstone reads
    {"version": 2, "kind": "distill", "teachers": []}
                ^`);
  expect(said(file('{"version": 2}', 'base.json'), file('{"version": 1, "kind": "train"}'))).toContain(
    'base.json',
  );
});

test('a key that stands twice', () => {
  expect(said(file('{"version": 1, "kind": "train", "train": {"lr": 0.1, "lr": 0.2}}'))).toBe(
    `job.json:1:54, train.lr: expected each key once, found "lr" again
    {"version": 1, "kind": "train", "train": {"lr": 0.1, "lr": 0.2}}
                                                         ^^^^`,
  );
});

test('the topmost file first, then what it extends, then the flags', () => {
  const base = file('{"version": 1, "kind": "sweep", "levels": [9], "models": []}', 'base.json');
  const top = file('{"train": {"lr": -1}, "seed": 1}');
  const set: Layer = {
    name: '--set train.epochs',
    folder: '/',
    value: { train: { epochs: 0 } },
    sets: ['train', 'epochs'],
  };
  const object: Layer = {
    name: '--set models',
    folder: '/',
    value: { models: [{ nam: 'x' }] },
    sets: ['models'],
  };
  expect(said(base, top, set, object)).toBe(`6 problems
  job.json:1:18, train.lr: expected a number, more than 0, found -1
      {"train": {"lr": -1}, "seed": 1}
                       ^^
  job.json:1:23, seed: expected a known key, found "seed". Did you mean "seeds"?
      {"train": {"lr": -1}, "seed": 1}
                            ^^^^^^
  base.json:1:44, levels[0]: expected a level from 1 to 5, found 9
      {"version": 1, "kind": "sweep", "levels": [9], "models": []}
                                                 ^
  --set train.epochs: expected a number, at least 1, found 0
  --set models, models[0].name: expected a string, found nothing
  --set models, models[0].nam: expected a known key, found "nam". Did you mean "name"?`);
});

test('numbers that JSON cannot say, long values and escape codes are shown harmlessly', () => {
  const long = 'x'.repeat(300);
  const text = `{"version": 1, "kind": "train", "${long}": 1, "name": "\\u001b[31mred\u009b", "train": {"lr": 1e999}}`;
  expect(said(file(text))).toBe(`3 problems
  job.json:1:33, ${'x'.repeat(57)}...: expected one of the keys ${Object.keys(TrainJob.shape).join(', ')}, found "${'x'.repeat(56)}...
      {"version": 1, "kind": "train", "${'x'.repeat(43)}…
                                      ${'^'.repeat(44)}
  job.json:1:348, name: expected letters, digits, ".", "_" and "-", 64 at most, a letter or digit first, found "\\u001b[31mred${'\u009b'}"
      …${'x'.repeat(26)}": 1, "name": "\\u001b[31mred\\x9b", "train": {"lr": 1e…
      ${' '.repeat(41)}${'^'.repeat(19)}
  job.json:1:382, train.lr: expected a number, found Infinity
      …ame": "\\u001b[31mred\\x9b", "train": {"lr": 1e999}}
      ${' '.repeat(44)}^^^^^`);
});

test('a caret stands where it is seen: below wide characters and tabs', () => {
  expect(said(file('{"version": 1, "kind": "train",\n\t"name": "한국",\t"seed": 1}'))).toContain(`
      "name": "한국", "seed": 1}
                      ^^^^^^`);
});

test('thousands of problems are no trouble', () => {
  const many = JSON.stringify({
    version: 1,
    kind: 'sweep',
    levels: Array.from({ length: 20_000 }, () => 9),
  });
  expect(said(file(many)).split('\n')[0]).toBe('200 problems');
});

test('a dense network is trained and measured, and nothing compresses it', () => {
  const asked = (kind: string) =>
    file(
      `{"version": 1, "kind": "${kind}",\n"models": ["resnet56", {"name": "resnet20", "baseline": true}]}`,
    );
  for (const kind of ['train', 'benchmark', 'sweep']) expect(said(asked(kind))).toBe('valid');
  expect(
    said(asked('compress')),
  ).toBe(`job.json:2:57, models[1].baseline: expected no dense network among those to compress: sweep and benchmark jobs measure it, found true
    "models": ["resnet56", {"name": "resnet20", "baseline": true}]}
                                                            ^^^^`);
});

describe('recipes', () => {
  const LEVEL = '[{"step": "quantize_dynamic"}]';
  const levels = (one: string) => `{"1": ${one}, "2": ${LEVEL}, "3": ${LEVEL}, "4": ${LEVEL}, "5": ${LEVEL}}`;
  const saidOf = (text: string) => {
    const checked = check(Recipe, [file(text, 'mine.json')]);
    return checked.ok ? 'valid' : drawProblems(checked.problems);
  };

  test('unknown steps and settings, levels that are missing', () => {
    expect(
      saidOf(
        `{"version": 1, "name": "mine", "levels": {"1": [{"step": "prune_magnitud", "amount": 1}],\n"2": ${LEVEL}, "3": ${LEVEL}, "4": ${LEVEL}}}`,
      ),
    ).toBe(`2 problems
  mine.json:1:42, levels.5: expected an array, found nothing
      …"version": 1, "name": "mine", "levels": {"1": [{"step": "prune_magnitud", "a…
                                               ^
  mine.json:1:58, levels.1[0].step: expected one of specialize, prune_magnitude, prune_structured, prune_depth, finetune, quantize_dynamic, quantize_static, pack, found "prune_magnitud". Did you mean "prune_magnitude"?
      …ame": "mine", "levels": {"1": [{"step": "prune_magnitud", "amount": 1}],
                                               ^^^^^^^^^^^^^^^^`);
  });

  test('a name that rows give another meaning', () => {
    expect(saidOf(`{"version": 1, "name": "dense",\n"levels": ${levels(LEVEL)}}`)).toBe(
      `mine.json:1:24, name: expected another name: rows call a network dense that was never compressed, found "dense"
    {"version": 1, "name": "dense",
                           ^^^^^^^`,
    );
  });

  test('a batch size that is timed, of a target that times nothing', () => {
    const step = (target: string) =>
      `[{"step": "prune_structured", ${target}"ratio": 0.5,\n"latency_batch_size": 8}]`;
    const saidOfStep = (one: string) => saidOf(`{"version": 1, "name": "mine", "levels": ${levels(one)}}`);
    expect(saidOfStep(step('"target": "latency", '))).toBe('valid');
    for (const [target, named] of [
      ['', 'macs'],
      ['"target": "params", ', 'params'],
    ] as const) {
      expect(
        saidOfStep(step(target)),
      ).toBe(`mine.json:2:23, levels.1[0].latency_batch_size: expected none beside target ${named}, found 8
    "latency_batch_size": 8}], "2": [{"step": "quantize_dynamic"}], "3": [{"step…
                          ^`);
    }
  });

  test('no batch size of other targets, whose keys are what they were', () => {
    const prune = '[{"step": "prune_structured", "ratio": 0.5}]';
    const checked = check(Recipe, [
      file(`{"version": 1, "name": "mine", "levels": ${levels(prune)}}`, 'mine.json'),
    ]);
    expect(checked.ok && checked.value.levels?.['1']).toEqual([
      {
        step: 'prune_structured',
        target: 'macs',
        ratio: 0.5,
        importance: 'taylor',
        scope: 'global',
        round_to: 8,
      },
    ]);
  });

  test('the order of steps', () => {
    const wrong = '[{"step": "quantize_dynamic"},\n{"step": "prune_magnitude", "amount": 0.5}]';
    expect(saidOf(`{"version": 1, "name": "mine",\n"levels": ${levels(wrong)}}`)).toBe(
      `mine.json:3:10, levels.1[1].step: expected a step that may follow quantize_dynamic, found "prune_magnitude"
    {"step": "prune_magnitude", "amount": 0.5}], "2": [{"step": "quantize_dynami…
             ^^^^^^^^^^^^^^^^^`,
    );
  });
});

describe('a preset', () => {
  const spec = (train: object) => checkJob([file(JSON.stringify({ version: 1, kind: 'train', train }))]);

  test('lies below what is said, in whatever layer', () => {
    const checked = checkJob([
      file(JSON.stringify({ version: 1, kind: 'train', train: { lr: 0.3 } }), 'base.json'),
      { name: '--set train.preset', folder: '/', value: { train: { preset: 'fast' } } },
    ]);
    expect(checked.ok && checked.value.kind === 'train' && checked.value.train).toMatchObject({
      ...PRESETS.fast,
      lr: 0.3,
      weight_decay: 5e-4,
    });
  });

  test('that there is not is refused', () => {
    const checked = spec({ preset: 'fastest' });
    expect(!checked.ok && drawProblems(checked.problems)).toContain('train.preset: expected');
  });
});
