import { CapstoneError } from './errors.ts';
import { visible } from './visible.ts';

/** The one place where an error becomes text for a person. Only a fault of ours shows its stack. */
export function drawError(error: unknown): string {
  if (error instanceof CapstoneError) {
    const next = error.next.map((step) => `  ${step}\n`).join('');
    return visible(`error: ${error.message}\n${next}`);
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return visible(
    `bug: capstone failed in a way it should not. Please report this with the lines below.\n${stack}\n`,
  );
}
