import { expect, test } from 'vitest';
import { type JsonText, parseJson, type TextProblem } from './json-text.ts';

function parsed(text: string): JsonText {
  const result = parseJson(text);
  if (!result.ok) throw new Error(result.problem.expected);
  return result.text;
}
function problem(text: string): TextProblem {
  const result = parseJson(text);
  if (result.ok) throw new Error('expected a problem');
  return result.problem;
}

const TEXT = '{\n\t"models": ["a", {"name": "ü"}],\r\n  "train": {"epochs": 1e999}\n}\n';

test('the value is what JSON.parse makes of it, __proto__ included', () => {
  for (const text of [TEXT, '[]', '"x"', ' -1.5e3 ', '{"__proto__": {"a": 1}, "": null}', '"\\u00fc\\n"']) {
    expect(parsed(text).value).toEqual(JSON.parse(text));
  }
});

test.each([
  [['models'], 2, 12, 20],
  [['models', 0], 2, 13, 3],
  [['models', 1, 'name'], 2, 27, 3],
  [['train', 'epochs'], 3, 23, 5],
  [[], 1, 1, 1],
])('the value at %j: line %d, column %d, %d long', (path, line, column, length) => {
  expect(parsed(TEXT).placeOf(path)).toMatchObject({ line, column, length });
});

test('keys have places of their own; what is not there has none', () => {
  expect(parsed(TEXT).placeOfKey(['train', 'epochs'])).toEqual({
    line: 3,
    column: 13,
    length: 8,
    text: '  "train": {"epochs": 1e999}',
  });
  expect(parsed(TEXT).placeOf(['train', 'lr'])).toBeUndefined();
  expect(parsed(TEXT).placeOfKey(['models', 0, 'name'])).toBeUndefined();
});

test('a key that stands twice is found, however deep; the place is that of the last, which counts', () => {
  const text = parsed('{"a": [{"b": 1, "b": 2}], "a": 3, "c": {"a": 1}}');
  expect(text.duplicates).toMatchObject([
    { path: ['a', 0, 'b'], expected: 'each key once', found: '"b" again', place: { column: 17 } },
    { path: ['a'], expected: 'each key once', found: '"a" again', place: { column: 27 } },
  ]);
  expect(text.placeOf(['a'])?.column).toBe(32);
});

test.each([
  ['{"a": 1,\n "b": [1, 2', 'a comma or ]', 'the end of the file', 2, 12],
  ['{"a": {"b": 1}', 'a comma or }', 'the end of the file', 1, 15],
  ['{"a": "x', 'a closing double quote', '"x', 1, 7],
  ['{"a" 1}', 'a colon', '1', 1, 6],
  ['{"a": 1 "b": 2}', 'a comma', '"b"', 1, 9],
  ['{a: 1}', 'a key in double quotes', 'a', 1, 2],
  ["{'a': 1}", 'a key in double quotes', "'a'", 1, 2],
  ['{"a": 1,}', 'a key in double quotes', '}', 1, 9],
  ['[1,]', 'a value', ']', 1, 4],
  ['{"a": NaN}', 'a value', 'NaN', 1, 7],
  ['{"a": 01}', 'a comma', '1', 1, 8],
  ['{"a": 1.}', 'a number with digits after its "." or "e"', '1.', 1, 7],
  ['{} x', 'the end of the file', 'x', 1, 4],
  ['{} {}', 'the end of the file', '{', 1, 4],
  ['// note\n{}', 'no comment, which JSON does not have', '// note', 1, 1],
  ['{"a": /* x */ 1}', 'no comment, which JSON does not have', '/* x */', 1, 7],
  ['"\\x"', 'an escape that JSON knows: \\" \\\\ \\/ \\b \\f \\n \\r \\t \\u', '"\\x"', 1, 1],
  ['"\\u12"', '\\u and four hexadecimal digits', '"\\u12"', 1, 1],
  ['"\t"', 'control characters as escapes, such as \\t', '"\t"', 1, 1],
  ['[['.repeat(60), 'at most 100 levels of brackets', 'one more', 1, 101],
])('%j: expected %s', (text, expected, found, line, column) => {
  expect(() => JSON.parse(text)).toThrow();
  expect(problem(text)).toMatchObject({ path: [], expected, found, place: { line, column } });
});

test('brackets in texts are no depth', () => {
  expect(parsed(`["${'['.repeat(1000)}", "\\"["]`).value).toHaveLength(2);
});
