import { readFileSync, statSync } from 'node:fs';
import { UserError } from '../errors/errors.ts';

/** Reads a JSON file a user named; every way it can be unreadable has a message of its own. */
export function readJsonFile(path: string, what: string): unknown {
  const refuse = (code: string, message: string, next: string) => new UserError(code, message, [next]);
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) {
    throw refuse(`${what}_missing`, `${path} does not exist`, `Check the path of the ${what} file.`);
  }
  if (stats.isDirectory()) {
    throw refuse(`${what}_is_folder`, `${path} is a folder, not a ${what} file`, 'Name a JSON file in it.');
  }
  const bytes = readFileSync(path);
  if (bytes.length === 0) {
    throw refuse(
      `${what}_empty`,
      `${path} is empty`,
      'Start from one of the files in examples/ or recipes/.',
    );
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw refuse(
        `${what}_not_json`,
        `${path} is not valid JSON: ${error.message}`,
        'Correct the file at that place.',
      );
    }
    throw refuse(`${what}_not_utf8`, `${path} is not UTF-8 text`, 'Save it as UTF-8.');
  }
}
