/** What holds for every command: what an exit code means, which environment variables are read. */
import { EXIT } from '../errors/errors.ts';

export const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  done: 'done',
  taskFailed: 'a task failed',
  usage: 'bad usage, spec or input file',
  environment: 'the environment is not ready',
  boundMissed: 'a required bound was missed',
  cancelled: 'cancelled',
};

export const ENVIRONMENT: Readonly<Record<string, string>> = {
  CAPSTONE_PYTHON: 'An interpreter with torch to use instead of the managed environment.',
  CAPSTONE_CIFAR_MIRROR: 'Where the CIFAR archives are downloaded from instead of their author’s site.',
  CAPSTONE_WEIGHTS_MIRROR: 'Where published weights are downloaded from instead of torchvision’s site.',
  XDG_CACHE_HOME: 'Decoded data, digests and logits lie in its folder capstone/ (default: ~/.cache).',
  XDG_DATA_HOME:
    'The Python environment of a global install lies in its folder capstone/ (default: ~/.local/share).',
  NO_COLOR: 'Set and not empty: no colours.',
};

/** What `capstone --help` says below the commands. */
export function conventions(): string {
  const width = Math.max(...Object.keys(ENVIRONMENT).map((name) => name.length));
  return [
    '',
    'Exit codes:',
    ...Object.entries(EXIT).map(
      ([name, exit]) => `  ${String(exit).padEnd(3)}  ${EXIT_MEANINGS[name as keyof typeof EXIT]}`,
    ),
    '',
    'Environment:',
    ...Object.entries(ENVIRONMENT).map(([name, use]) => `  ${name.padEnd(width)}  ${use}`),
    '',
  ].join('\n');
}
