/** Small data sets of images, written as files: where they lie in `data/` they stand for those of the same name. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';

/** So many images a class in each split, every class in shades of its own. */
export function makeDataset(
  root: string,
  classes: readonly string[],
  images: Readonly<Record<'train' | 'test', number>>,
): void {
  classes.forEach((name, index) => {
    for (const [split, count] of Object.entries(images)) {
      mkdirSync(join(root, split, name), { recursive: true });
      for (let number = 0; number < count; number += 1) {
        const shade = 20 * index + ((5 * number) % 20);
        writeFileSync(join(root, split, name, `${number}.png`), png(32, [shade, 255 - shade, shade]));
      }
    }
  });
}

/** A square PNG of one colour. */
function png(side: number, colour: readonly [number, number, number]): Buffer {
  const line = Buffer.concat([Buffer.of(0), Buffer.alloc(3 * side, Buffer.from(colour))]);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 2], 8);
  const pixels = deflateSync(Buffer.concat(Array.from({ length: side }, () => line)));
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', pixels),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  framed.set(body, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}
