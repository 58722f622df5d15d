import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';

/** Bytes that may still be written in a folder; of one that is not there yet, in the nearest above it. */
export function freeBytes(folder: string): number {
  for (let existing = folder; ; existing = dirname(existing)) {
    try {
      const { bavail, bsize } = statfsSync(existing);
      return bavail * bsize;
    } catch (error) {
      if (existing === dirname(existing)) throw error;
    }
  }
}
