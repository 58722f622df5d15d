/**
 * Three kinds of error, drawn differently: the user's (bad input, refused before any work), the machine's (an
 * environment that is not ready, a full disk) and ours (everything else; the only one that shows a stack).
 * Errors carry facts; the sentence a person reads is made in `draw.ts`.
 */
export const EXIT = {
  done: 0,
  taskFailed: 1,
  usage: 2,
  environment: 3,
  boundMissed: 4,
  cancelled: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export abstract class CapstoneError extends Error {
  abstract readonly exitCode: ExitCode;

  constructor(
    /** Permanent name, snake_case. */
    readonly code: string,
    /** What happened and where: one sentence without its full stop. */
    message: string,
    /** What to do next, one thing each; empty when there is nothing to say. */
    readonly next: readonly string[] = [],
  ) {
    super(message);
    this.name = code;
  }
}

/** The input is at fault: a flag, a spec, a file the user named. */
export class UserError extends CapstoneError {
  readonly exitCode = EXIT.usage;
}

/** The machine is at fault: no Python, no room, no permission. */
export class MachineError extends CapstoneError {
  readonly exitCode = EXIT.environment;
}
