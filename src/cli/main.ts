/**
 * Parse, load the one command that was named, one exit code. Heavy modules are imported by the command that needs
 * them, so that `--help` costs little more than starting node.
 */
import { CommanderError, Command as Parser } from 'commander';
import type { Command, Flag, FlagValues, Io } from '../commands/definition.ts';
import { version } from '../commands/version.ts';
import { drawError } from '../errors/draw.ts';
import { CapstoneError, EXIT, type ExitCode, UserError } from '../errors/errors.ts';
import { nearest } from '../spec/nearest.ts';
import { conventions } from './conventions.ts';

interface Entry {
  readonly summary: string;
  load(): Promise<{ default: Command }>;
}

/** Summaries stand here as well, so that the list of commands loads none of them; a test compares the two. */
export const COMMANDS: Readonly<Record<string, Entry>> = {
  sweep: {
    summary: 'Train once, compress at every level, benchmark everything',
    load: () => import('../commands/sweep.ts'),
  },
  run: {
    summary: 'Run any job from a spec file, or go on with an interrupted run',
    load: () => import('../commands/run.ts'),
  },
  train: { summary: 'Train a network, write its checkpoint', load: () => import('../commands/train.ts') },
  compress: {
    summary: 'Compress a checkpoint at the given levels, write artifacts',
    load: () => import('../commands/compress.ts'),
  },
  benchmark: {
    summary: 'Measure artifacts beside their originals, update benchmark_levels.csv',
    load: () => import('../commands/benchmark.ts'),
  },
  results: {
    summary: 'Print the rows of benchmark_levels.csv',
    load: () => import('../commands/results.ts'),
  },
  validate: {
    summary: 'Say every problem of a spec, where it is and the nearest valid thing; run nothing',
    load: () => import('../commands/validate.ts'),
  },
  runs: {
    summary: 'List, show, follow, cancel, go on with and remove runs',
    load: () => import('../commands/runs.ts'),
  },
  tui: {
    summary: 'Put jobs together, watch runs and read results in the terminal',
    load: () => import('../commands/tui.ts'),
  },
  schema: { summary: 'Print a JSON Schema', load: () => import('../commands/schema.ts') },
  setup: { summary: 'Make the Python environment', load: () => import('../commands/setup.ts') },
  doctor: {
    summary: 'Say what is there, what is missing and what to do',
    load: () => import('../commands/doctor.ts'),
  },
};

const ABOUT_THE_PROGRAM = new Set(['-h', '--help', '-V', '--version']);

/** Runs one command line and says how to exit; never exits itself. */
export async function main(argv: readonly string[], io: Io): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.done;
  try {
    const words = isTerminal(io) && isForUi(argv) ? ['tui', ...argv] : argv;
    const named = words[0] ?? '';
    const entry = Object.hasOwn(COMMANDS, named) ? COMMANDS[named] : undefined;
    const command = entry === undefined ? undefined : (await entry.load()).default;
    const program = programWith(command === undefined ? undefined : { name: named, command }, io, (code) => {
      exitCode = code;
    });
    await program.parseAsync([...words], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    io.stderr.write(drawError(error));
    return error instanceof CapstoneError ? error.exitCode : EXIT.taskFailed;
  }
  return exitCode;
}

/** No command is named, at most flags of the UI. */
function isForUi([first]: readonly string[]): boolean {
  return first === undefined || (first.startsWith('-') && !ABOUT_THE_PROGRAM.has(first));
}

/** Alone on a terminal the program opens its UI; elsewhere it says its help. */
function isTerminal({ stdin, stdout, env }: Io): boolean {
  return stdin.isTTY && stdout.isTTY && env['TERM'] !== 'dumb';
}

function programWith(
  loaded: { name: string; command: Command } | undefined,
  io: Io,
  onExit: (code: ExitCode) => void,
): Parser {
  const program = new Parser('capstone')
    .description('Train, compress and honestly benchmark image classifiers.')
    .version(version(), '-V, --version', 'print the version')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
    })
    .showSuggestionAfterError()
    // What stands behind a command's name is its own to read, subcommands and their flags included.
    .enablePositionalOptions()
    .helpCommand(false)
    .addHelpText('after', conventions());
  for (const [name, { summary }] of Object.entries(COMMANDS)) {
    const parser = program.command(name).description(summary);
    if (loaded?.name === name) fill(parser, loaded.command, io, onExit, name);
  }
  program.allowExcessArguments().action(() => {
    const [stray] = program.args;
    if (stray !== undefined) throw unknownCommand(stray, Object.keys(COMMANDS));
    program.outputHelp();
  });
  return program;
}

/** `path`: the words that lead to the command. */
function fill(
  parser: Parser,
  command: Command,
  io: Io,
  onExit: (code: ExitCode) => void,
  path: string,
): void {
  const subcommands = Object.entries(command.subcommands ?? {});
  for (const [name, subcommand] of subcommands) {
    fill(parser.command(name).description(subcommand.summary), subcommand, io, onExit, `${path} ${name}`);
  }
  if (subcommands.length > 0) parser.enablePositionalOptions().allowExcessArguments().helpCommand(false);
  for (const flag of command.flags) {
    const term = termOf(flag);
    const shown =
      flag.default === undefined ? flag.description : `${flag.description} (default: ${flag.default})`;
    if (flag.repeats === true) {
      parser.option(term, shown, (value: string, list: string[] | undefined) => [...(list ?? []), value]);
    } else parser.option(term, shown);
  }
  for (const argument of command.arguments ?? []) {
    const name = `${argument.name}${argument.several === true ? '...' : ''}`;
    parser.argument(argument.required ? `<${name}>` : `[${name}]`, argument.description);
  }
  const examples = command.examples.map((example) => `  ${example}\n`).join('');
  parser.addHelpText(
    'after',
    `${command.description ? `\n${command.description}\n` : ''}\nExamples:\n${examples}`,
  );
  parser.action(async () => {
    const [stray] = parser.args;
    if (subcommands.length > 0 && stray !== undefined) {
      throw unknownCommand(
        `${path} ${stray}`,
        subcommands.map(([name]) => `${path} ${name}`),
      );
    }
    const values = Object.fromEntries(
      parser.options.map((option) => [
        option.long ?? '',
        parser.getOptionValue(option.attributeName()) as unknown,
      ]),
    ) as FlagValues;
    onExit(await command.run(values, parser.args, io));
  });
}

function termOf({ name, value, optional, several }: Flag): string {
  if (value === undefined) return name;
  const placeholder = `${value}${several === true ? '...' : ''}`;
  return optional === true ? `${name} [${placeholder}]` : `${name} <${placeholder}>`;
}

function unknownCommand(words: string, known: readonly string[]): UserError {
  const guess = nearest(words, known);
  return new UserError('command_unknown', `unknown command "${words}"`, [
    guess === undefined ? `Known: ${known.join(', ')}` : `Did you mean "${guess}"?`,
  ]);
}
