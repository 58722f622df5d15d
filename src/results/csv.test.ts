import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { UserError } from '../errors/errors.ts';
import { ROW_COLUMNS } from '../spec/columns.ts';
import { Row } from '../spec/row.ts';
import { parseCsv, toCsv } from './csv.ts';
import { mergeRows } from './merge.ts';
import { fixed, threeDigits } from './number.ts';

const FIXTURES = join(import.meta.dirname, '..', '..', 'test', 'fixtures');

function row(over: Partial<Row> = {}): Row {
  return Row.parse({
    model: 'resnet18',
    dataset: 'cifar10',
    recipe: 'classic',
    level: 1,
    seed: 0,
    image_size: 32,
    device: 'cpu',
    cpu: 'AMD EPYC',
    runtime: 'torch',
    threads: 2,
    batch_size: 1,
    eval_samples: 500,
    ...over,
  });
}

function problemsOf(text: string): string {
  try {
    parseCsv(text);
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
  return 'none';
}

const MINIMAL =
  'model,dataset,recipe,level,seed,image_size,device,cpu,runtime,threads,batch_size,eval_samples,acc_drop,deterministic\n';
const LINE = 'resnet18,cifar10,classic,1,0,32,cpu,AMD EPYC,torch,2,1,500,0.25,true\n';

test('columns are those of the schema, with kind, unit, decimals and direction', () => {
  expect(ROW_COLUMNS.map(({ name }) => name)).toEqual(Object.keys(Row.shape));
  const column = (name: string) => ROW_COLUMNS.find((candidate) => candidate.name === name);
  expect(column('original_latency_ms')).toEqual({
    name: 'original_latency_ms',
    unit: 'ms',
    better: 'lower',
    kind: 'number',
    decimals: 3,
    averaged: true,
    isComparison: true,
  });
  expect(column('acc_drop_low')).toMatchObject({ better: 'lower', averaged: false });
  expect(column('level')).toEqual({ name: 'level', kind: 'number', decimals: 0, averaged: true });
  expect(column('deterministic')).toEqual({ name: 'deterministic', kind: 'flag' });
  expect(column('verdict')).toEqual({
    name: 'verdict',
    kind: 'text',
    choices: ['faster', 'slower', 'no_difference'],
    isComparison: true,
  });
});

describe('numbers', () => {
  test.each([
    [0.125, 2, '0.13'],
    [-0.125, 2, '-0.13'],
    [2.675, 2, '2.67'],
    [-0.001, 2, '0.00'],
    [-0, 2, '0.00'],
    [1e20, 1, '100000000000000000000.0'],
    [1e21, 2, '1000000000000000000000.00'],
    [-1e23, 0, '-99999999999999991611392'],
    [11_173_962, 0, '11173962'],
  ])('%d with %d decimals is %s', (value, decimals, written) => {
    expect(fixed(value, decimals)).toBe(written);
  });

  test.each([
    [0, '0.00'],
    [0.07234, '0.0723'],
    [44.78, '44.8'],
    [99.97, '100'],
    [1928.4, '1928'],
  ])('%d as three digits is %s', (value, written) => {
    expect(threeDigits(value)).toBe(written);
  });
});

describe('csv', () => {
  test('rows come back as they were, and the bytes again', () => {
    const rows = [
      row({
        cpu: 'Xeon, "quoted"',
        noise: 'two\nlines',
        deterministic: true,
        acc_drop: -0.25,
        verdict: 'faster',
      }),
      row({ level: 2, original_params: 11_173_962, run: ' spaces ' }),
    ];
    const text = toCsv(rows);
    expect(parseCsv(text).rows).toEqual(rows);
    expect(toCsv(parseCsv(text).rows)).toBe(text);
  });

  test('is the same whatever the order of the rows: numbers by value, text by code units', () => {
    const rows = [
      row({ seed: 10 }),
      row({ seed: 9 }),
      row({ model: 'Vit' }),
      row({ seed: 9, batch_size: 64 }),
    ];
    expect(toCsv(rows.toReversed())).toBe(toCsv(rows));
    const sorted = parseCsv(toCsv(rows)).rows.map(({ model, seed, batch_size }) => [model, seed, batch_size]);
    expect(sorted).toEqual([
      ['Vit', 0, 1],
      ['resnet18', 9, 1],
      ['resnet18', 9, 64],
      ['resnet18', 10, 1],
    ]);
  });

  test('without rows is a header; without a header there are no rows', () => {
    expect(toCsv([])).toBe(`${ROW_COLUMNS.map(({ name }) => name).join(',')}\n`);
    expect(parseCsv(toCsv([])).rows).toEqual([]);
    expect(parseCsv('').rows).toEqual([]);
  });

  test('takes columns in any order, absent ones as unknown, and CRLF', () => {
    const [read] = parseCsv((MINIMAL + LINE).replaceAll('\n', '\r\n')).rows;
    expect(read).toEqual(row({ acc_drop: 0.25, deterministic: true }));
  });

  test.each([
    ['seed,seedd\n1,2\n', 'benchmark_levels.csv, line 1: unknown column "seedd". Did you mean "seed"?'],
    ['seed,seed\n1,2\n', 'benchmark_levels.csv, line 1: the column "seed" stands twice'],
    [`${MINIMAL}a,b\n`, 'benchmark_levels.csv, line 2: expected 14 cells, found 2'],
    [
      MINIMAL +
        LINE.replace('EPYC', '"EPYC').replace('AMD "EPYC', '"AMD\nEPYC"') +
        LINE.replace(',1,0,32', ',x,0,'),
      [
        'benchmark_levels.csv, line 4, level: expected a number, found "x"',
        'benchmark_levels.csv, line 4, image_size: expected a number, found nothing',
      ].join('\n'),
    ],
    [
      MINIMAL + LINE.replace('0.25,true', 'nan,yes'),
      [
        'benchmark_levels.csv, line 2, acc_drop: expected a number, found "nan"',
        'benchmark_levels.csv, line 2, deterministic: expected a boolean, found "yes"',
      ].join('\n'),
    ],
    [`${MINIMAL}"open\n`, 'benchmark_levels.csv, line 2: Quoted field unterminated'],
  ])('refuses %j', (text, problems) => {
    expect(problemsOf(text)).toBe(problems);
  });

  test('is what Python writes, byte for byte', () => {
    const given = Row.array().parse(JSON.parse(readFileSync(join(FIXTURES, 'rows.json'), 'utf8')));
    const expected = readFileSync(join(FIXTURES, 'rows.csv'), 'utf8');
    expect(toCsv(given)).toBe(expected);
    expect(toCsv(parseCsv(expected).rows)).toBe(expected);
  });
});

test('a newer row replaces the older of the same identity', () => {
  const merged = mergeRows(
    [row({ acc_drop: 1 }), row({ level: 2 })],
    [row({ acc_drop: 2 }), row({ level: 3 })],
  );
  expect(merged.map(({ level, acc_drop }) => [level, acc_drop])).toEqual([
    [1, 2],
    [2, null],
    [3, null],
  ]);
});

test('flags in capitals are what a spreadsheet made of them', () => {
  const text = toCsv([row({ deterministic: true, baseline: false })]);
  const saved = text.replace(',true,', ',TRUE,').replace(',false,', ',False,');
  expect(saved).not.toBe(text);
  expect(toCsv(parseCsv(saved).rows)).toBe(text);
});

test('of problems that every line has the first are said, and how many there are', () => {
  const [header = '', line = ''] = toCsv([row()]).split('\n');
  const broken = line.replace(',1,', ',one,');
  const problems = problemsOf(`${[header, ...Array.from({ length: 30 }, () => broken)].join('\n')}\n`);
  expect(problems.split('\n')).toHaveLength(21);
  expect(problems).toMatch(/\nand 10 more$/);
});
