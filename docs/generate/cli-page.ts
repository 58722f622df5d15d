/** docs/cli.md, from the definitions of the commands. */
import { ENVIRONMENT, EXIT_MEANINGS } from '../../src/cli/conventions.ts';
import type { Argument, Command, Flag } from '../../src/commands/definition.ts';
import { EXIT } from '../../src/errors/errors.ts';
import { code, fenced, GENERATED, page, table } from './markdown.ts';

export type NamedCommand = readonly [name: string, command: Command];

export function cliPage(commands: readonly NamedCommand[]): string {
  return page(
    GENERATED,
    '# Commands',
    'Results go to stdout, everything else to stderr. In a clone, `npx capstone` stands for `capstone`. ' +
      '`capstone COMMAND --help` prints what stands here.',
    table(
      ['Command', 'What it does'],
      commands.map(([name, command]) => [`[\`${name}\`](#capstone-${name})`, command.summary]),
    ),
    '## Exit codes',
    table(
      ['Code', 'Meaning'],
      Object.entries(EXIT).map(([name, exit]) => [String(exit), EXIT_MEANINGS[name as keyof typeof EXIT]]),
    ),
    'Ctrl-C once stops at a safe point, a second time at once.',
    '## Environment',
    table(
      ['Variable', 'Use'],
      Object.entries(ENVIRONMENT).map(([name, use]) => [code(name), use]),
    ),
    ...commands.flatMap((command) => section(command)),
  );
}

function section([name, command]: NamedCommand, heading = '##'): string[] {
  const taken = command.arguments ?? [];
  const subcommands = Object.entries(command.subcommands ?? {});
  const usage = ['capstone', name, ...taken.map(argumentInUsage), '[options]'].join(' ');
  return [
    `${heading} capstone ${name}`,
    `${command.summary}.`,
    fenced('text', usage),
    command.description ?? '',
    taken.length === 0
      ? ''
      : table(
          ['Argument', 'Meaning'],
          taken.map((argument) => [code(argument.name), argument.description]),
        ),
    command.flags.length === 0 ? '' : flagTable(command.flags),
    fenced('sh', command.examples.join('\n')),
    ...subcommands.flatMap(([subname, subcommand]) =>
      section([`${name} ${subname}`, subcommand], `${heading}#`),
    ),
  ];
}

function argumentInUsage({ name, required, several }: Argument): string {
  const words = several === true ? `${name}...` : name;
  return required ? `<${words}>` : `[${words}]`;
}

function flagTable(flags: readonly Flag[]): string {
  return table(
    ['Flag', 'Default', 'Meaning'],
    flags.map((flag) => [
      code(flagInUsage(flag)),
      code(flag.default ?? ''),
      flag.repeats === true ? `${flag.description} May be given more than once.` : flag.description,
    ]),
  );
}

function flagInUsage({ name, value, optional, several }: Flag): string {
  if (value === undefined) return name;
  const words = several === true ? `${value}...` : value;
  return optional === true ? `${name} [${words}]` : `${name} <${words}>`;
}
