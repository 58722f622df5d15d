import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/rig.ts';
import { sha256 } from '../digest.ts';
import { UserError } from '../errors/errors.ts';
import { fileDigest } from './file-digest.ts';

function rig() {
  const folder = temporaryFolder();
  const file = join(folder, 'model.pt');
  const cache = join(folder, 'cache');
  writeFileSync(file, 'one');
  return { folder, file, cache, cached: join(cache, 'digests', sha256(file)) };
}

test('one small file a path; what it holds is believed as long as the file stays', async () => {
  const { file, cache, cached } = rig();
  expect(await fileDigest(file, cache)).toBe(sha256('one'));
  expect(readdirSync(join(cache, 'digests'))).toEqual([sha256(file)]);
  writeFileSync(cached, readFileSync(cached, 'utf8').replace(sha256('one'), '0'.repeat(64)));
  expect(await fileDigest(file, cache)).toBe('0'.repeat(64));
});

test('a file of the same size at another time is digested anew', async () => {
  const { file, cache } = rig();
  await fileDigest(file, cache);
  writeFileSync(file, 'two');
  utimesSync(file, 1, 1);
  expect(await fileDigest(file, cache)).toBe(sha256('two'));
  expect(readdirSync(join(cache, 'digests'))).toHaveLength(1);
});

test('a torn cache file is not believed', async () => {
  const { file, cache, cached } = rig();
  await fileDigest(file, cache);
  writeFileSync(cached, readFileSync(cached, 'utf8').slice(0, -1));
  expect(await fileDigest(file, cache)).toBe(sha256('one'));
});

test('without a place for its cache it works all the same', async () => {
  const { folder, file } = rig();
  const blocked = join(folder, 'blocked');
  writeFileSync(blocked, '');
  expect(await fileDigest(file, blocked)).toBe(sha256('one'));
});

test('what cannot be read is refused in words', async () => {
  const { folder, cache } = rig();
  await expect(fileDigest(join(folder, 'gone.pt'), cache)).rejects.toThrow(
    new UserError('input_not_readable', `${folder}/gone.pt cannot be read: it does not exist`, [
      'Check its path and permissions.',
    ]),
  );
  await expect(fileDigest(folder, cache)).rejects.toThrow(`${folder} cannot be read: it is a folder`);
  expect(existsSync(cache)).toBe(false);
});
