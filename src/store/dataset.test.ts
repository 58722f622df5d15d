import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { PACKAGE_ROOT, temporaryFolder } from '../../test/rig.ts';
import { sha256 } from '../digest.ts';
import { UserError } from '../errors/errors.ts';
import { datasetDigest, describeSource, resolveDataset } from './dataset.ts';

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

/** Root may read everything. */
function asOrdinaryUser<T>(act: () => T): T {
  const user = process.geteuid?.();
  if (user === 0) process.seteuid?.(65534);
  try {
    return act();
  } finally {
    if (user === 0) process.seteuid?.(0);
  }
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

const CIFAR_DIGESTS = {
  cifar10: 'fe463cf814c9efaa6f932ad92ab42c21f629345e57036dfdf1fcab4128f77896',
  cifar100: 'd717791ac68d7a917595086266fdca509841a551fd7f63c70ca362c54a62433c',
};

test.each([
  ['cifar10', 'cifar-10-batches-py'],
  ['cifar100', 'cifar-100-python'],
] as const)(
  "%s is torchvision's, known before it is there, by the digest Python gives it",
  (name, folder) => {
    const source = resolveDataset({ name, dataRoot: '/d', packageRoot: PACKAGE_ROOT });
    expect(source).toEqual({
      name,
      kind: 'torchvision',
      root: `/d/${folder}`,
      files: [],
      digest: CIFAR_DIGESTS[name],
    });
    expect(datasetDigest(source, '/none')).toBe(CIFAR_DIGESTS[name]);
  },
);

test("a folder in the data root wins over torchvision's files", () => {
  const dataRoot = temporaryFolder();
  const root = folderWith(PETS, join(dataRoot, 'cifar10'));
  const source = resolveDataset({ name: 'cifar10', dataRoot, packageRoot: PACKAGE_ROOT });
  expect([source.kind, source.root]).toEqual(['folder', root]);
});

test('where a data set comes from, and what has yet to be done for it', () => {
  const dataRoot = temporaryFolder();
  const said = (name: string) =>
    describeSource(resolveDataset({ name, dataRoot, packageRoot: PACKAGE_ROOT }), PACKAGE_ROOT);
  expect(said('fashion_mnist_mini')).toBe('bundled with capstone');
  expect(said('cifar100')).toBe(
    `cifar-100-python.tar.gz (169 MB), downloaded into ${dataRoot} when it is first needed`,
  );
  folderWith(['cifar-100-python.tar.gz', 'cifar-100-python/train', 'cifar-100-python/test'], dataRoot);
  expect(said('cifar100')).toBe(`${dataRoot}/cifar-100-python.tar.gz, extracted when it is first needed`);
  folderWith(['cifar-100-python/meta'], dataRoot);
  expect(said('cifar100')).toBe(`${dataRoot}/cifar-100-python`);
  folderWith(PETS, join(dataRoot, 'cifar100'));
  expect(said('cifar100')).toBe(`${dataRoot}/cifar100`);
});

test('a misspelt set: the nearest known one', () => {
  expect(
    refusal(() => resolveDataset({ name: 'cifar01', dataRoot: '/d', packageRoot: PACKAGE_ROOT })),
  ).toEqual({
    code: 'dataset_missing',
    message: 'data set cifar01: no folder /d/cifar01/train, and no set is known by that name',
    next: [
      'Did you mean "cifar10"?',
      'Put the images into /d/cifar01/train/<class>/ and /d/cifar01/test/<class>/.',
      'Or use a known set: fashion_mnist_mini, cifar10, cifar100.',
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
      'Add images (.apng .avif .bmp .dib .gif .j2k .jfif .jp2 .jpe .jpeg .jpg .pbm .pcx .pgm .png .pnm .ppm .qoi .sgi .tga .tif .tiff .webp), or remove the class from train and test.',
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

const notUtf8 = 'is not UTF-8';
const control = 'has control characters';

test.each([
  ['a file', 'train/cat/', 'caf\\xe9.png', Buffer.from('caf\xe9.png', 'latin1'), notUtf8],
  ['a class', 'test/', 'caf\\xe9', Buffer.from('caf\xe9', 'latin1'), notUtf8],
  ['a class', 'train/', '\\x1b[31mred', Buffer.from('\u001b[31mred'), control],
  ['a file', 'test/dog/', 'two\\x0alines.png', Buffer.from('two\nlines.png'), control],
  ['a class', 'test/', 'a\\xe2\\x80\\xaeb', Buffer.from('a\u202eb'), control],
])('%s in %s named %s', (kind, folder, shown, name, fault) => {
  const root = folderWith(PETS);
  const path = Buffer.concat([Buffer.from(`${root}/${folder}`), name]);
  if (kind === 'a class') mkdirSync(path);
  else writeFileSync(path, '');
  expect(refusal(() => pets(root))).toEqual({
    code: 'dataset_file_name',
    message: `${root}/${folder.slice(0, -1)}: the name "${shown}" ${fault}`,
    next: [
      fault === notUtf8
        ? "Rename it: names are part of the data set's digest, which is computed in UTF-8."
        : 'Rename it: names are printed, and these would change what the terminal shows.',
    ],
  });
});

test.each([
  ['train', 0o000, 'permission denied'],
  ['train/cat', 0o000, 'permission denied'],
])('%s that may not be read', (folder, mode, reason) => {
  const root = folderWith(PETS);
  chmodSync(root, 0o755);
  chmodSync(join(root, folder), mode);
  expect(asOrdinaryUser(() => refusal(() => pets(root)))).toEqual({
    code: 'input_not_readable',
    message: `${root}/${folder} cannot be read: ${reason}`,
    next: ['Check its path and permissions.'],
  });
});

test('an image that may not be read', () => {
  const root = folderWith(PETS);
  chmodSync(root, 0o755);
  chmodSync(join(root, 'test/dog/0.png'), 0o000);
  expect(asOrdinaryUser(() => refusal(() => datasetDigest(pets(root), '/none')))).toEqual({
    code: 'input_not_readable',
    message: `${root}/test/dog/0.png cannot be read: permission denied`,
    next: ['Check its path and permissions.'],
  });
});

test('links that lead in a circle', () => {
  const root = folderWith(PETS);
  symlinkSync('loop.png', join(root, 'train/cat/loop.png'));
  expect(refusal(() => pets(root))).toEqual({
    code: 'input_not_readable',
    message: `${root}/train/cat/loop.png cannot be read: its links lead in a circle`,
    next: ['Check its path and permissions.'],
  });
});

test('a name may hold U+FFFD itself', () => {
  const root = folderWith([...PETS, 'train/cat/\ufffd.png']);
  expect(pets(root).files).toContain('train/cat/\ufffd.png');
});
