import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../test/rig.ts';
import { canonicalJson, sha256, sha256File } from './digest.ts';

/** FIPS 180-4, the example of one block. */
const ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

test('text, bytes and files of the same content have the same digest', async () => {
  const file = join(temporaryFolder(), 'abc');
  writeFileSync(file, 'abc');
  expect([sha256('abc'), sha256(Buffer.from('abc')), await sha256File(file)]).toEqual([ABC, ABC, ABC]);
});

test('a file larger than one read', async () => {
  const file = join(temporaryFolder(), 'large');
  const bytes = Buffer.alloc(3_000_001, 'capstone');
  writeFileSync(file, bytes);
  expect(await sha256File(file)).toBe(sha256(bytes));
});

test('canonical JSON: the example of RFC 8785, section 3.2.3', () => {
  const value: unknown = JSON.parse(String.raw`{
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    "literals": [null, true, false]
  }`);
  expect(canonicalJson(value)).toBe(
    String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
  );
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, { deep: [Number.NaN] }, undefined, '\ud800'])(
  'canonical JSON refuses %o',
  (value) => {
    expect(() => canonicalJson(value)).toThrow();
  },
);
