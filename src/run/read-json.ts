import { isUtf8 } from 'node:buffer';
import { readFileSync, statSync } from 'node:fs';
import { UserError } from '../errors/errors.ts';
import { drawProblems } from '../spec/draw-problem.ts';
import { type JsonText, parseJson, placeAt, type TextProblem } from '../spec/json-text.ts';
import { readFailure } from '../store/disk-error.ts';

/** Far more than anybody writes by hand: what is larger is another file. */
const MAX_BYTES = 256 * 1024;

/**
 * Reads a JSON file a user named; every way it can be unreadable has a message of its own.
 * `what` is a spec or a recipe; `shown` is the path as the user wrote it.
 */
export function readJsonFile(path: string, what: string, shown = path): JsonText {
  const refuse = (code: string, message: string, next: string) =>
    new UserError(`${what}_${code}`, message, [next]);
  const refuseAt = (code: string, problem: TextProblem, next: string) =>
    refuse(code, drawProblems([{ ...problem, source: shown, path: '' }]), next);
  const bytes = readBytes(path, what, shown);
  if (bytes.length > MAX_BYTES) {
    const size = `${MAX_BYTES / 1024} KiB`;
    throw refuse(
      'too_large',
      `${shown}: expected a ${what} of at most ${size}, found ${bytes.length} bytes`,
      'Check that it is the right file.',
    );
  }
  const text = bytes.toString('utf8').replace(/^\ufeff/, '');
  if (!isUtf8(bytes)) throw refuseAt('not_utf8', foreignByte(bytes), 'Save the file as UTF-8.');
  if (text.trim() === '') {
    const examples = what === 'recipe' ? 'recipes' : 'examples';
    throw refuse(
      'empty',
      `${shown}: expected a ${what}, found an empty file`,
      `Start from one of the files in ${examples}/.`,
    );
  }
  const parsed = parseJson(text);
  if (!parsed.ok) throw refuseAt('not_json', parsed.problem, 'Correct the file there: it has to be JSON.');
  return parsed.text;
}

function readBytes(path: string, what: string, shown: string): Buffer {
  try {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined) {
      throw new UserError(`${what}_missing`, `${shown}: expected a ${what}, found no such file`, [
        `Check the path of the ${what}.`,
      ]);
    }
    // A pipe would be waited for.
    if (!stats.isFile()) {
      const found = stats.isDirectory() ? 'a folder' : 'no regular file';
      throw new UserError(`${what}_not_a_file`, `${shown}: expected a ${what}, found ${found}`, [
        'Name the JSON file itself.',
      ]);
    }
    return readFileSync(path);
  } catch (error) {
    throw readFailure(shown, error);
  }
}

/** Where the first byte is that is no part of UTF-8: there the decoder wrote something else. */
function foreignByte(bytes: Buffer): TextProblem {
  const text = bytes.toString('utf8');
  const rewritten = Buffer.from(text);
  const bad = bytes.findIndex((byte, index) => byte !== rewritten[index]);
  const place = placeAt(text, bytes.subarray(0, bad).toString('utf8').length, 1);
  return { path: [], expected: 'UTF-8', found: `the byte 0x${bytes[bad]?.toString(16)}`, place };
}
