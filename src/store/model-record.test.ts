import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../../test/rig.ts';
import { inspectModel, readModelRecord } from './model-record.ts';

const RECORD = {
  format: 1,
  kind: 'checkpoint',
  key: 'a'.repeat(64),
  model: {
    name: 'mine',
    arch: 'resnet18',
    stem: 'imagenet',
    image_size: 32,
    family: 'resnet',
    num_classes: 2,
  },
  dataset: { name: 'pets', source: 'folder', digest: 'b'.repeat(64) },
  classes: ['cat', 'Hündin'],
  normalisation: { mean: [0.5], std: [0.25] },
  seed: 0,
  threads: 2,
  deterministic: true,
  parents: {},
  versions: { torch: '2.2.2' },
  graph: { nodes: [] },
};
const NAME = 'archive/capstone.json';
const TEXT = JSON.stringify(RECORD);

interface ZipEntry {
  readonly name: string;
  readonly data: Buffer;
  readonly method?: number;
  /** Claimed in the central directory instead of the true size. */
  readonly size?: number;
  readonly crc?: number;
}

const recordEntry = (text = TEXT): ZipEntry => ({ name: NAME, data: Buffer.from(text) });
const WEIGHTS: ZipEntry = { name: 'archive/data/0', data: Buffer.alloc(64, 7) };

const u16 = (...values: number[]) => Buffer.from(Uint16Array.from(values).buffer);
const u32 = (...values: number[]) => Buffer.from(Uint32Array.from(values).buffer);
const u64 = (...values: number[]) => Buffer.from(BigUint64Array.from(values.map(BigInt)).buffer);

/** A zip with sizes and CRC in the central directory alone, as torch writes it; APPNOTE 6.3, section 4.3. */
function zip(entries: readonly ZipEntry[], { zip64 = false, count = entries.length } = {}): Buffer {
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const { name, data, method = 0, size = data.length, crc = crc32(data) } of entries) {
    const common = [u16(0x0808, method, 0, 0)];
    const local = Buffer.concat([
      u32(0x04034b50),
      u16(20),
      ...common,
      u32(0, 0, 0),
      u16(name.length, 0),
      Buffer.from(name),
      data,
    ]);
    const extra = zip64 ? Buffer.concat([u16(1, 24), u64(size, size, offset)]) : Buffer.alloc(0);
    const sizes = zip64 ? u32(crc, 0xffffffff, 0xffffffff) : u32(crc, size, size);
    central.push(
      Buffer.concat([
        u32(0x02014b50),
        u16(20, 20),
        ...common,
        sizes,
        u16(name.length, extra.length, 0, 0, 0),
        u32(0, zip64 ? 0xffffffff : offset),
        Buffer.from(name),
        extra,
      ]),
    );
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(central);
  const end = zip64
    ? Buffer.concat([
        u32(0x06064b50),
        u64(44),
        u16(45, 45),
        u32(0, 0),
        u64(count, count, directory.length, offset),
        u32(0x07064b50, 0),
        u64(offset + directory.length),
        u32(1),
        u32(0x06054b50),
        u16(0, 0, 0xffff, 0xffff),
        u32(0xffffffff, 0xffffffff),
        u16(0),
      ])
    : Buffer.concat([u32(0x06054b50), u16(0, 0, count, count), u32(directory.length, offset), u16(0)]);
  return Buffer.concat([...locals, directory, end]);
}

const folder = temporaryFolder();
async function recordIn(bytes: Buffer) {
  const file = join(folder, 'model.pt');
  writeFileSync(file, bytes);
  return readModelRecord(file);
}

test.each([false, true])('reads the record, zip64: %s', async (zip64) => {
  expect(await recordIn(zip([WEIGHTS, recordEntry()], { zip64 }))).toEqual(RECORD);
});

test('keeps keys that a newer version added', async () => {
  const newer = { ...RECORD, mood: 'good' };
  expect(await recordIn(zip([recordEntry(JSON.stringify(newer))]))).toEqual(newer);
});

const refused: Record<string, Buffer> = {
  'an empty file': Buffer.alloc(0),
  'no zip': Buffer.from('weights'),
  'no record': zip([WEIGHTS]),
  'a record of another format': zip([recordEntry(JSON.stringify({ ...RECORD, format: 2 }))]),
  'a record that is no JSON': zip([recordEntry('{')]),
  'a record that is not UTF-8': zip([{ name: NAME, data: Buffer.from(TEXT, 'latin1') }]),
  'two records': zip([recordEntry(), recordEntry()]),
  'a record under another prefix': zip([{ name: 'model/capstone.json', data: Buffer.from(TEXT) }]),
  'a name that leaves the archive': zip([{ name: '../x', data: Buffer.alloc(0) }, recordEntry()]),
  'a record that says it is deflated': zip([{ ...recordEntry(), method: 8 }]),
  'a damaged record': Buffer.from(zip([recordEntry()]).map((byte, at) => (at === 100 ? byte ^ 1 : byte))),
  'a wrong checksum': zip([{ ...recordEntry(), crc: 1 }]),
  'a record larger than the file': zip([{ ...recordEntry(), size: 1_000_000 }]),
  'a record larger than any of ours': zip([{ ...recordEntry(), size: 2 ** 31 }]),
  'a directory that claims entries it does not have': zip([recordEntry()], { count: 7 }),
  'an offset beyond what a file can have': Buffer.from(
    zip([recordEntry()], { zip64: true }).map((byte, at, all) =>
      at >= all.length - 28 && at < all.length - 26 ? 0xff : byte,
    ),
  ),
  'a directory that claims 2^50 entries': zip([recordEntry()], { zip64: true, count: 2 ** 50 }),
};

test.each(Object.entries(refused))('no record in a file with %s', async (_what, bytes) => {
  expect(await recordIn(bytes)).toBeUndefined();
});

test('no file, or a folder: no record', async () => {
  mkdirSync(join(folder, 'folder.pt'));
  expect(await readModelRecord(join(folder, 'gone.pt'))).toBeUndefined();
  expect(await readModelRecord(join(folder, 'folder.pt'))).toBeUndefined();
});

test.each([false, true])(
  'whatever byte around the record is damaged, it never throws, zip64: %s',
  async (zip64) => {
    const whole = zip([recordEntry()], { zip64 });
    const start = whole.indexOf(TEXT);
    const end = start + Buffer.byteLength(TEXT);
    for (let at = 0; at < whole.length; at += at + 1 === start ? end - at : 1) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      expect([undefined, RECORD]).toContainEqual(await recordIn(damaged));
      await inspectModel(join(folder, 'model.pt'));
      expect(await recordIn(whole.subarray(0, at))).toBeUndefined();
    }
  },
);

describe('a file that is to be read', () => {
  const file = join(folder, 'input.pt');
  const REMAKE = 'The file is damaged or was changed after it was written: download or make it again.';
  const RESAVE =
    "Where you trust it, save it again in the plain format: torch.save(torch.load(old, map_location='cpu'), new), with a state_dict of tensors.";
  const inspected = async (bytes: Buffer) => {
    writeFileSync(file, bytes);
    const { record, unusable } = await inspectModel(file);
    return unusable === undefined ? record : [unusable.code, unusable.message, ...unusable.next];
  };
  const whole = zip([WEIGHTS, recordEntry()]);

  test('is ours, with its record, or a foreign one, without', async () => {
    expect(await inspected(whole)).toEqual(RECORD);
    expect(await inspected(zip([WEIGHTS]))).toBeUndefined();
  });

  test('of a foreign original nobody knows the classes', async () => {
    const { classes: _classes, normalisation: _normalisation, ...foreign } = RECORD;
    const record = { ...foreign, dataset: { name: 'cifar10' } };
    expect(await inspected(zip([recordEntry(JSON.stringify(record))]))).toEqual(record);
  });

  const legacy = Buffer.concat([Buffer.from('80028a0a6cfc9c46f9206aa85019', 'hex'), Buffer.alloc(100)]);
  const tar = Buffer.alloc(1024);
  tar.write('ustar', 257);
  const future = zip([recordEntry(JSON.stringify({ ...RECORD, format: 2 }))]);
  test('of a file from before torch 1.6 nothing is said: the worker reads it', async () => {
    const path = join(folder, 'legacy.pth');
    writeFileSync(path, legacy);
    expect(await inspectModel(path)).toEqual({});
  });

  test.each<[string, Buffer, string, string, string]>([
    ['empty', Buffer.alloc(0), 'model_empty', 'the file is empty', REMAKE],
    ['cut off', whole.subarray(0, -30), 'model_truncated', 'the file ends too early', REMAKE],
    [
      'longer than it was',
      Buffer.concat([whole, Buffer.from('more')]),
      'model_trailing_bytes',
      'something was put behind its archive',
      REMAKE,
    ],
    ['a tar', tar, 'model_tar', 'tar archives, the oldest torch format, are not read', RESAVE],
    [
      'text',
      Buffer.from('weights'),
      'model_not_zip',
      'this is no file of torch.save: it does not begin as a zip does',
      RESAVE,
    ],
    [
      'of a newer capstone',
      future,
      'model_format_unknown',
      'expected format 1, found 2',
      'Update capstone: a newer one wrote this file.',
    ],
    [
      'without what a record needs',
      zip([recordEntry('{}')]),
      'model_record_invalid',
      'its record capstone.json is not as capstone writes it',
      REMAKE,
    ],
    [
      'with a damaged record',
      zip([{ ...recordEntry(), crc: 1 }]),
      'model_damaged',
      'its archive cannot be read',
      REMAKE,
    ],
  ])('that is %s', async (_what, bytes, code, reason, next) => {
    expect(await inspected(bytes)).toEqual([code, `${file}: ${reason}`, next]);
  });

  test('that is a folder', async () => {
    const { unusable } = await inspectModel(folder);
    expect([unusable?.code, unusable?.message, unusable?.next]).toEqual([
      'model_not_a_file',
      `${folder}: expected a model file, found a folder`,
      ['Name the file itself.'],
    ]);
  });
});
