import { describe, expect, test } from 'vitest';
import { row } from '../../test/fixtures/row.ts';
import { columnsOf, describeProblem, drawExpressionProblem, matches, parseExpression } from './expression.ts';

function parsed(text: string) {
  const result = parseExpression(text);
  if (!result.ok) throw new Error(describeProblem(result.problem));
  return result.expression;
}

describe('a condition on a row', () => {
  const one = row({
    level: 3,
    acc_drop: 0.5,
    verdict: 'faster',
    deterministic: true,
    cpu: 'A "fast" CPU (2x)',
  });

  test.each([
    ['level=3', true],
    ['level!=3', false],
    ['level>=3 and level<=3', true],
    ['level<3 or level>3', false],
    ['acc_drop<0.5', false],
    ['acc_drop<=5e-1', true],
    ['acc_drop > -1', true],
    ['model=resnet18', true],
    ["model='resnet18' AND verdict=faster", true],
    ['cpu=\'A "fast" CPU (2x)\'', true],
    ['deterministic=true', true],
    ['deterministic!=true', false],
    // `and` binds tighter than `or`.
    ['level=3 or level=1 and model=other', true],
    ['(level=3 or level=1) and model=other', false],
    ['((level=3))', true],
    ['timestamp>=2026', false],
  ])('%s: %s', (text, met) => {
    expect(matches(parsed(text), one)).toBe(met);
  });

  test('what is unknown matches nothing, not even that it differs', () => {
    const unknown = row({ acc_drop: null });
    expect(['acc_drop=0', 'acc_drop!=0', 'acc_drop<1'].map((text) => matches(parsed(text), unknown))).toEqual(
      [false, false, false],
    );
  });

  test('its columns, each once, in order', () => {
    expect(columnsOf(parsed('seed=1 and (level=1 or seed=2) or acc_drop<1'))).toEqual([
      'seed',
      'level',
      'acc_drop',
    ]);
  });
});

test.each([
  ['', '\n^ expected a column, found nothing more'],
  ['levle=3', 'levle=3\n^ unknown column "levle". Did you mean "level"?'],
  ['quality=3', 'quality=3\n^ unknown column "quality"'],
  ['level', 'level\n     ^ expected one of = != < <= > >=, found nothing more'],
  ['level==3', 'level==3\n      ^ level is compared with a value, found "="'],
  ['level=high', 'level=high\n      ^ level is a number, found "high"'],
  ['level=', 'level=\n      ^ level is compared with a value, found nothing more'],
  ['baseline=yes', 'baseline=yes\n         ^ baseline is true or false, found "yes"'],
  ['baseline<true', 'baseline<true\n        ^ baseline is true or false: compare it with = or !='],
  [
    'verdict=fastr',
    'verdict=fastr\n        ^ verdict is one of faster, slower, no_difference, found "fastr". Did you mean "faster"?',
  ],
  ['device=gpu', 'device=gpu\n       ^ device is always cpu, found "gpu". Did you mean "cpu"?'],
  [
    'level=1 adn seed=0',
    'level=1 adn seed=0\n        ^ expected "and", "or" or the end, found "adn". Did you mean "and"?',
  ],
  ['level=1 and', 'level=1 and\n           ^ expected a column, found nothing more'],
  ['(level=1', '(level=1\n        ^ expected ")", found nothing more'],
  ['level=1)', 'level=1)\n       ^ expected "and", "or" or the end, found ")"'],
  ['model="resnet18', 'model="resnet18\n      ^ this quote is never closed'],
  ['level!3', 'level!3\n     ^ unexpected "!"'],
])('%j is refused with its place', (text, drawn) => {
  const result = parseExpression(text);
  expect(result.ok ? 'accepted' : drawExpressionProblem(text, result.problem)).toBe(drawn);
});
