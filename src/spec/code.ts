/** The code of a network of the user’s own: `net.py:resnet56` is the function resnet56 in the file net.py. */
import { z } from 'zod';

export interface CodeReference {
  readonly path: string;
  readonly function: string;
}

const FORM = /^(.+):([A-Za-z_][A-Za-z0-9_]{0,99})$/;

export const Code = z
  .string()
  .regex(FORM, 'a Python file and a function in it, such as "net.py:resnet56"')
  .meta({
    description:
      'Python file and the function in it that makes the network, for one that is not built in; executed only with `--trust-code`.',
    examples: ['net.py:resnet56'],
  });

/** `text` as `Code` allows it. */
export function parseCode(text: string): CodeReference {
  const [, path, name] = FORM.exec(text) ?? [];
  if (path === undefined || name === undefined) throw new Error(`${text} names no function of a file`);
  return { path, function: name };
}
