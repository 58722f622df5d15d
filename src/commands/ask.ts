/** A question to the person at the terminal. Who asks makes sure that there is one. */
import { createInterface } from 'node:readline/promises';
import type { Io } from './definition.ts';

export function canAsk(io: Io): boolean {
  return io.stdin.isTTY === true && io.stderr.isTTY === true;
}

/** What was typed, trimmed; empty where the question was closed instead of answered. */
export async function ask(question: string, io: Io): Promise<string> {
  const asking = createInterface({ input: io.stdin, output: io.stderr });
  // Ctrl-D or Ctrl-C closes it, and the question is never answered.
  const closed = new Promise<string>((resolve) => {
    asking.once('SIGINT', () => asking.close()).once('close', () => resolve(''));
  });
  try {
    return (await Promise.race([asking.question(question), closed])).trim();
  } finally {
    asking.close();
  }
}
