/**
 * What a model file says of itself, without torch: its record is one entry of the zip, found by its central directory.
 * Whether the rest of the file is sound is for the reader that loads the weights, artifact/read.py.
 */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { type Entry, fromRandomAccessReaderPromise, RandomAccessReader, type ZipFile } from 'yauzl';
import { UserError } from '../errors/errors.ts';
import { ModelRecord } from '../spec/record.ts';

const RECORD_NAME = 'archive/capstone.json';
/** Far beyond what we write: one node of the graph takes about 200 bytes. */
const MAX_RECORD_BYTES = 64 * 1024 * 1024;
/** A directory may claim any number; ours hold one entry a tensor. */
const MAX_ENTRIES = 65_536;
const STORED = 0;
const RECORD_FORMAT = 1;

/** The pickled 0x1950a86a20f9469cfc6c, with which torch's format before 1.6 begins. */
const LEGACY_MAGIC = Buffer.from('80028a0a6cfc9c46f9206aa85019', 'hex');
const HEAD_BYTES = 512;
/** The end record of a zip, and the longest comment that may follow it. */
const END_BYTES = 22;
const TAIL_BYTES = END_BYTES + 0xffff;

const RESAVE =
  "Where you trust it, save it again in the plain format: torch.save(torch.load(old, map_location='cpu'), new), with a state_dict of tensors.";
const REMAKE = 'The file is damaged or was changed after it was written: download or make it again.';

/** What can be said of a model file without reading its weights: whose it is, or why no worker would take it. */
export interface ModelContent {
  /** Of a file of ours. */
  readonly record?: ModelRecord;
  readonly unusable?: UserError;
}

/**
 * Looks at a file that is to be read. What it does not find fault with may still be refused by the reader that loads
 * the weights, whose words these are (py/capstone_worker/artifact). Rejects where the file cannot be opened.
 */
export async function inspectModel(path: string): Promise<ModelContent> {
  const refused = (code: string, reason: string, next: string): ModelContent => ({
    unusable: new UserError(code, `${path}: ${reason}`, [next]),
  });
  const stats = await stat(path);
  if (!stats.isFile()) {
    const found = stats.isDirectory() ? 'a folder' : 'no regular file';
    return refused('model_not_a_file', `expected a model file, found ${found}`, 'Name the file itself.');
  }
  return withBytes(path, async (bytes) => {
    // No zip, and so without a record: nothing can be said of it here.
    if ((await bytes.part(0, LEGACY_MAGIC.length)).equals(LEGACY_MAGIC)) return {};
    const foreign = await whatElse(bytes);
    if (foreign !== undefined) return refused(foreign.code, foreign.reason, foreign.next);
    try {
      const content = await readContent(bytes);
      if (content === undefined) return {};
      const record = ModelRecord.safeParse(content).data;
      if (record !== undefined) return { record };
      const { format } = content as { readonly format?: unknown };
      if (typeof format === 'number' && format > RECORD_FORMAT) {
        return refused(
          'model_format_unknown',
          `expected format ${RECORD_FORMAT}, found ${format}`,
          'Update capstone: a newer one wrote this file.',
        );
      }
      return refused('model_record_invalid', 'its record capstone.json is not as capstone writes it', REMAKE);
    } catch {
      return refused('model_damaged', 'its archive cannot be read', REMAKE);
    }
  });
}

/** Undefined for a file that is missing, not ours or damaged; whatever its bytes are, it never throws. */
export async function readModelRecord(path: string): Promise<ModelRecord | undefined> {
  try {
    if (!(await stat(path)).isFile()) return undefined; // opening a pipe would wait for its writer
    return ModelRecord.safeParse(await withBytes(path, readContent)).data;
  } catch {
    return undefined;
  }
}

async function withBytes<T>(path: string, act: (bytes: FileBytes) => Promise<T>): Promise<T> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    return await act(new FileBytes(file, size));
  } finally {
    await file.close();
  }
}

interface Foreign {
  readonly code: string;
  readonly reason: string;
  readonly next: string;
}

/** What a file is that does not begin and end as a zip of torch.save does. */
async function whatElse(bytes: FileBytes): Promise<Foreign | undefined> {
  if (bytes.size === 0) return { code: 'model_empty', reason: 'the file is empty', next: REMAKE };
  const head = await bytes.part(0, HEAD_BYTES);
  if (head.subarray(257, 262).toString('latin1') === 'ustar') {
    return { code: 'model_tar', reason: 'tar archives, the oldest torch format, are not read', next: RESAVE };
  }
  if (head.subarray(0, 4).toString('latin1') !== 'PK\x03\x04') {
    const reason = 'this is no file of torch.save: it does not begin as a zip does';
    return { code: 'model_not_zip', reason, next: RESAVE };
  }
  const tail = await bytes.part(bytes.size - TAIL_BYTES, TAIL_BYTES);
  const end = tail.lastIndexOf('PK\x05\x06');
  if (end < 0) return { code: 'model_truncated', reason: 'the file ends too early', next: REMAKE };
  if (end < tail.length - END_BYTES) {
    return { code: 'model_trailing_bytes', reason: 'something was put behind its archive', next: REMAKE };
  }
  return undefined;
}

/** The JSON value of our record; undefined where there is none. Rejects where it is damaged. */
async function readContent(bytes: FileBytes): Promise<unknown> {
  const zip = await fromRandomAccessReaderPromise(bytes, bytes.size, { autoClose: false });
  const entry = await findRecord(zip);
  if (entry === undefined) return undefined;
  const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
  const data = await bytes.exactly(fileDataStart, entry.uncompressedSize);
  if (crc32(data) !== entry.crc32) throw new RangeError('the checksum of the record is wrong');
  return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data)) as unknown;
}

/** Rejects also where two entries bear the name: readers would disagree on which one counts. */
async function findRecord(zip: ZipFile): Promise<Entry | undefined> {
  if (zip.entryCount > MAX_ENTRIES) throw new RangeError('too many entries');
  const found: Entry[] = [];
  for await (const entry of zip.eachEntry()) if (entry.fileName === RECORD_NAME) found.push(entry);
  const [record] = found;
  if (record === undefined) return undefined;
  const isReadable =
    found.length === 1 &&
    record.compressionMethod === STORED &&
    !record.isEncrypted() &&
    record.uncompressedSize <= MAX_RECORD_BYTES;
  if (!isReadable) throw new RangeError('the record is not as capstone writes it');
  return record;
}

/** yauzl's own reader gives a file's offsets to fs.read unchecked, which throws past every catch of ours. */
class FileBytes extends RandomAccessReader {
  constructor(
    private readonly file: FileHandle,
    readonly size: number,
  ) {
    super();
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    this.fill(buffer.subarray(offset, offset + length), position).then(() => callback(null), callback);
  }

  /** As many bytes as there are from a position on, which may lie before the file. */
  async part(position: number, length: number): Promise<Buffer> {
    const from = Math.max(0, position);
    return this.exactly(from, Math.min(length, this.size - from));
  }

  async exactly(position: number, length: number): Promise<Buffer> {
    const data = Buffer.alloc(length);
    await this.fill(data, position);
    return data;
  }

  /** Rejects where the file does not reach that far. */
  async fill(buffer: Buffer, position: number): Promise<void> {
    if (position + buffer.length > this.size) throw new RangeError('past the end of the file');
    const { bytesRead } = await this.file.read(buffer, 0, buffer.length, position);
    if (bytesRead < buffer.length) throw new RangeError('the file became shorter');
  }
}
