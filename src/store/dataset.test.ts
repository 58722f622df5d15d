import { mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { PACKAGE_ROOT, temporaryFolder } from '../../test/rig.ts';
import { sha256 } from '../digest.ts';
import { UserError } from '../errors/errors.ts';
import { datasetDigest, resolveDataset } from './dataset.ts';

const PETS = ['train/cat/0.png', 'train/dog/0.png', 'test/cat/0.png', 'test/dog/0.png'];

function folderWith(files: readonly string[], folder = temporaryFolder()): string {
  for (const file of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), file);
  }
  return folder;
}

/** Resolves and digests a folder that the user names. */
function pets(root: string) {
  return resolveDataset({ name: 'pets', path: root, dataRoot: '/none', packageRoot: PACKAGE_ROOT });
}

/** What the user sees, whole. */
function refusal(act: () => unknown): { code: string; message: string; next: readonly string[] } {
  try {
    act();
  } catch (error) {
    if (error instanceof UserError) return { code: error.code, message: error.message, next: error.next };
    throw error;
  }
  throw new Error('not refused');
}

test('the bundled set, by the digest that Python gives it', () => {
  const dataRoot = temporaryFolder();
  const source = resolveDataset({ name: 'fashion_mnist_mini', dataRoot, packageRoot: PACKAGE_ROOT });
  expect(source.kind).toBe('bundled');
  expect(source.root).toBe(join(PACKAGE_ROOT, 'py/capstone_worker/data/fashion_mnist_mini'));
  expect(datasetDigest(source, temporaryFolder())).toBe(
    'c61600f4b758061939bf03e142c06739d678c5a3a7794834e7fdbdd5a63ef59f',
  );
});

test('a folder in the data root wins over the bundled set', () => {
  const dataRoot = temporaryFolder();
  const root = folderWith(PETS, join(dataRoot, 'fashion_mnist_mini'));
  const source = resolveDataset({ name: 'fashion_mnist_mini', dataRoot, packageRoot: PACKAGE_ROOT });
  expect(source).toEqual({ name: 'fashion_mnist_mini', kind: 'folder', root, files: [...PETS].sort() });
});

test('images only: other files, hidden ones and hidden folders do not count, links do', () => {
  const root = folderWith([
    ...PETS,
    'train/cat/notes.txt',
    'train/cat/.1.png',
    'train/.git/1.png',
    'train/readme.png',
  ]);
  mkdirSync(join(root, 'train/cat/folder.png'));
  symlinkSync(join(root, 'train/cat/notes.txt'), join(root, 'train/cat/link.PNG'));
  symlinkSync(join(root, 'nowhere'), join(root, 'train/cat/broken.png'));
  expect(pets(root).files).toEqual([...PETS, 'train/cat/link.PNG'].sort());
});

test('the digest of the documented form; the same folder has the same one in data/test_source.py', () => {
  const ordered = [
    'test/a b/1.PNG',
    'test/a/1.png',
    'train/a b/1.jpeg',
    'train/a/Zoë.png',
    'train/a/\uff5e.png', // in UTF-16 it would come after the emoji, in UTF-8 it comes before
    'train/a/\u{1f600}.png',
  ];
  const cache = temporaryFolder();
  const root = folderWith(ordered);
  for (const file of ordered) utimesSync(join(root, file), 1_700_000_000, 1_700_000_000);
  const source = pets(join(root, 'train', '..'));
  expect(source.files).toEqual(ordered);
  const digest = '9799fdeb000003525a9e5127d6c3469d8816f29f3d7ed943c71a6cc872e34715';
  expect(datasetDigest(source, cache)).toBe(digest);

  const manifest = ordered.map((file) => `${file}\0${Buffer.byteLength(file)}\0${1_700_000_000}000000000\n`);
  const cached = join(cache, 'manifests', sha256(`${root}\n${manifest.join('')}`));
  expect(readFileSync(cached, 'utf8')).toBe(`${digest}\n`);
  writeFileSync(cached, 'torn');
  expect(datasetDigest(source, cache)).toBe(digest);
  writeFileSync(cached, `${'0'.repeat(64)}\n`);
  expect(datasetDigest(source, cache)).toBe('0'.repeat(64));
});

test('a changed image changes the digest', () => {
  const cache = temporaryFolder();
  const root = folderWith(PETS);
  const before = datasetDigest(pets(root), cache);
  writeFileSync(join(root, 'train/cat/0.png'), 'another cat');
  expect(datasetDigest(pets(root), cache)).not.toBe(before);
});

test('a known set that is not there: where to put it', () => {
  expect(
    refusal(() => resolveDataset({ name: 'cifar10', dataRoot: '/d', packageRoot: PACKAGE_ROOT })),
  ).toEqual({
    code: 'dataset_missing',
    message: 'data set cifar10: no folder /d/cifar10/train and none bundled',
    next: [
      'Put the images into /d/cifar10/train/<class>/ and /d/cifar10/test/<class>/.',
      'Or use the bundled data set: fashion_mnist_mini.',
    ],
  });
});

test('a misspelt set: the nearest known one', () => {
  expect(
    refusal(() => resolveDataset({ name: 'cifar01', dataRoot: '/d', packageRoot: PACKAGE_ROOT })),
  ).toEqual({
    code: 'dataset_missing',
    message: 'data set cifar01: no folder /d/cifar01/train and none bundled',
    next: [
      'Did you mean "cifar10"?',
      'Put the images into /d/cifar01/train/<class>/ and /d/cifar01/test/<class>/.',
      'Or use the bundled data set: fashion_mnist_mini.',
    ],
  });
});

test('a path that is no folder', () => {
  expect(refusal(() => pets('/d/pets'))).toEqual({
    code: 'dataset_missing',
    message: 'data set pets: /d/pets is not a folder',
    next: ['Give the folder that holds train/<class>/ and test/<class>/.'],
  });
});

test('a missing split', () => {
  const root = folderWith(['train/cat/0.png']);
  expect(refusal(() => pets(root))).toEqual({
    code: 'dataset_layout',
    message: `data set pets: ${root} has no folder test`,
    next: [`Put the images into ${root}/train/<class>/ and ${root}/test/<class>/.`],
  });
});

test('an empty class is named', () => {
  const root = folderWith(PETS);
  rmSync(join(root, 'test/dog/0.png'));
  expect(refusal(() => pets(root))).toEqual({
    code: 'dataset_class_empty',
    message: `data set pets: class dog has no images in ${root}/test/dog`,
    next: [
      'Add images (.bmp .gif .jpeg .jpg .pgm .png .ppm .tif .tiff .webp), or remove the class from train and test.',
    ],
  });
});

test.each([
  ['train', 'test'],
  ['test', 'train'],
])('classes of %s that are missing from %s', (split, other) => {
  const root = folderWith([...PETS, `${split}/emu/0.png`, `${split}/yak/0.png`]);
  expect(refusal(() => pets(root))).toEqual({
    code: 'dataset_classes',
    message: `data set pets: class emu of ${root}/${split} is missing from ${root}/${other}, and 1 more`,
    next: [
      `Both splits need the same class folders: add ${root}/${other}/emu or remove ${root}/${split}/emu.`,
    ],
  });
});

test.each([0, 1])('%d classes are too few', (count) => {
  const root = temporaryFolder();
  for (const split of ['train', 'test'])
    mkdirSync(join(root, split, ...(count === 1 ? ['cat'] : [])), { recursive: true });
  expect(refusal(() => pets(root))).toEqual({
    code: 'dataset_classes',
    message: `data set pets: expected at least 2 class folders in ${root}/train, found ${count}`,
    next: ['Put the images of each class into a folder of its own, named for the class.'],
  });
});

test.runIf(process.platform === 'linux')('a name that is not UTF-8', () => {
  const root = folderWith(PETS);
  writeFileSync(
    Buffer.concat([Buffer.from(`${root}/train/cat/caf`), Buffer.from([0xe9]), Buffer.from('.png')]),
    '',
  );
  expect(refusal(() => pets(root))).toEqual({
    code: 'dataset_file_name',
    message: `${root}/train/cat: the name "caf\ufffd.png" is not UTF-8`,
    next: ['Rename it: names are part of the digest of the data set, which is computed in UTF-8.'],
  });
});

test('a name may hold U+FFFD itself', () => {
  const root = folderWith([...PETS, 'train/cat/\ufffd.png']);
  expect(pets(root).files).toContain('train/cat/\ufffd.png');
});
