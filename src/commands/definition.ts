/**
 * A command is a definition: what it is, what it takes, what it does. Help, completion and docs read the same
 * object, so they cannot disagree.
 */
import type { ExitCode } from '../errors/errors.ts';

/** Where a command reads and writes; never `console` or `process` directly. */
export interface Io {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
}

export interface Flag {
  /** As typed, without a value's placeholder: `--batch-size`. */
  readonly name: string;
  readonly description: string;
  /** Placeholder of the value; a flag without one is a switch. */
  readonly value?: string;
  /** May stand without its value, too. */
  readonly optional?: boolean;
  /** Takes every word up to the next flag. */
  readonly several?: boolean;
  /** May be given more than once. */
  readonly repeats?: boolean;
  readonly default?: string;
}

export interface Argument {
  readonly name: string;
  readonly description: string;
  readonly required: boolean;
  /** Takes every word that is left. */
  readonly several?: boolean;
}

/** Values as typed: a switch is true, a repeating flag a list. */
export type FlagValues = Readonly<Record<string, string | readonly string[] | boolean | undefined>>;

export interface Command {
  readonly summary: string;
  readonly description?: string;
  readonly examples: readonly string[];
  readonly flags: readonly Flag[];
  readonly arguments?: readonly Argument[];
  /** What follows the command's name; without one of them the command itself runs. */
  readonly subcommands?: Readonly<Record<string, Command>>;
  run(flags: FlagValues, args: readonly string[], io: Io): Promise<ExitCode>;
}

export function defineCommand(command: Command): Command {
  return command;
}
