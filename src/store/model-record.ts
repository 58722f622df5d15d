/**
 * The record inside a model file of ours, without torch: one entry of the zip, found by its central directory.
 * Whether the rest of the file is sound is for the reader that loads the weights, artifact/read.py.
 */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { type Entry, fromRandomAccessReaderPromise, RandomAccessReader, type ZipFile } from 'yauzl';
import { ModelRecord } from '../spec/record.ts';

const RECORD_NAME = 'archive/capstone.json';
/** Far beyond what we write: one node of the graph takes about 200 bytes. */
const MAX_RECORD_BYTES = 64 * 1024 * 1024;
/** A directory may claim any number; ours hold one entry a tensor. */
const MAX_ENTRIES = 65_536;
const STORED = 0;

/** Undefined for a file that is missing, not ours or damaged; whatever its bytes are, it never throws. */
export async function readModelRecord(path: string): Promise<ModelRecord | undefined> {
  try {
    if (!(await stat(path)).isFile()) return undefined; // opening a pipe would wait for its writer
    const file = await open(path);
    try {
      const { size } = await file.stat();
      return await readRecord(new FileBytes(file, size));
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}

async function readRecord(bytes: FileBytes): Promise<ModelRecord | undefined> {
  const zip = await fromRandomAccessReaderPromise(bytes, bytes.size, { autoClose: false });
  const entry = await findRecord(zip);
  if (entry === undefined) return undefined;
  const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
  const data = Buffer.alloc(entry.uncompressedSize);
  await bytes.fill(data, fileDataStart);
  if (crc32(data) !== entry.crc32) return undefined;
  const text = new TextDecoder('utf-8', { fatal: true }).decode(data);
  return ModelRecord.safeParse(JSON.parse(text)).data;
}

/** Undefined also where two entries bear the name: readers would disagree on which one counts. */
async function findRecord(zip: ZipFile): Promise<Entry | undefined> {
  if (zip.entryCount > MAX_ENTRIES) return undefined;
  const found: Entry[] = [];
  for await (const entry of zip.eachEntry()) if (entry.fileName === RECORD_NAME) found.push(entry);
  const [record] = found;
  const isReadable =
    record !== undefined &&
    found.length === 1 &&
    record.compressionMethod === STORED &&
    !record.isEncrypted() &&
    record.uncompressedSize <= MAX_RECORD_BYTES;
  return isReadable ? record : undefined;
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

  /** Rejects where the file does not reach that far. */
  async fill(buffer: Buffer, position: number): Promise<void> {
    if (position + buffer.length > this.size) throw new RangeError('past the end of the file');
    const { bytesRead } = await this.file.read(buffer, 0, buffer.length, position);
    if (bytesRead < buffer.length) throw new RangeError('the file became shorter');
  }
}
