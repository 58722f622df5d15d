/** Keys, as Ink reads them from a terminal. It draws nothing: frames do not wait for it, nor for its layout. */
import { PassThrough } from 'node:stream';
import { render, useInput } from 'ink';
import { keyNames } from './keymap.ts';

export interface Keyboard {
  /** Ends when Ink gives up by itself, as where its input has gone. */
  readonly closed: Promise<unknown>;
  close(): void;
}

export function listenToKeys(stdin: NodeJS.ReadStream, onKey: (name: string) => void): Keyboard {
  const ink = render(<Keys onKey={onKey} />, {
    stdin,
    stdout: new PassThrough().resume() as unknown as NodeJS.WriteStream,
    exitOnCtrlC: false,
    patchConsole: false,
  });
  return { closed: ink.waitUntilExit(), close: () => ink.unmount() };
}

function Keys({ onKey }: { onKey(name: string): void }) {
  useInput((input, key) => {
    for (const name of keyNames(input, key)) onKey(name);
  });
  return null;
}
