/**
 * A reader of README.md follows it from top to bottom in a fresh copy of the package: every `sh` block runs as
 * printed, in order, in one workspace. README.ko.md has the same blocks, so that it is run too.
 *
 * No command is shortened. What would take hours takes seconds because the data sets named are tiny ones that lie in
 * data/ already, where a reader's would be found as well. `console` blocks install: CI runs `npm cit` itself, and the
 * others would make the environment anew; they are listed below, so that nothing hides there.
 */
import { cpSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadCommands } from '../docs/generate/pages.ts';
import { makeDataset } from './dataset.ts';
import { PACKAGE_ROOT, temporaryFolder } from './rig.ts';

const SETS = {
  cifar10: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
  fashion_mnist_mini: ['bag', 'shirt'],
  flowers: ['daisy', 'rose'],
};

interface Block {
  readonly language: string;
  readonly text: string;
}

const english = blocksOf('README.md');
const shell = english.filter(({ language }) => language === 'sh').flatMap(({ text }) => commandsOf(text));

test('both READMEs have the same code blocks in the same order', () => {
  expect(blocksOf('README.ko.md')).toEqual(english);
});

test('what is not run here is what installs', () => {
  expect(english.filter(({ language }) => language !== 'sh')).toEqual([
    { language: 'console', text: '$ git clone <this repository> capstone && cd capstone\n$ npm start\n' },
    { language: 'console', text: '$ npm cit\n' },
  ]);
});

describe('in a fresh copy', () => {
  const folder = temporaryFolder();
  const cache = temporaryFolder();
  const run = (command: string) =>
    execa('bash', ['-euc', command], {
      cwd: folder,
      env: { ...process.env, XDG_CACHE_HOME: cache, NO_COLOR: '1', FORCE_COLOR: undefined },
      extendEnv: false,
      reject: false,
      all: true,
    });

  beforeAll(async () => {
    await copyPackage(folder);
    for (const [name, classes] of Object.entries(SETS)) {
      makeDataset(join(folder, 'data', name), classes, { train: 2, test: 2 });
    }
  });

  test.each(shell)(
    '%s',
    async (command) => {
      const { exitCode, all } = await run(command);
      expect({ exitCode, output: exitCode === 0 ? '' : all }).toEqual({ exitCode: 0, output: '' });
    },
    300_000,
  );

  test('the sweep finds what the classic scripts made up to date', async () => {
    const sweep = shell.find((command) => command.startsWith('npx capstone sweep --model resnet18')) ?? '';
    const { all } = await run(sweep);
    expect(all).toContain('Everything is up to date: 11 tasks, nothing to run.\n');
  }, 60_000);

  test('examples of help pages can be planned', async () => {
    const examples = (await loadCommands())
      .filter(([, command]) => command.flags.some((flag) => flag.name === '--dry-run'))
      .flatMap(([, command]) => command.examples)
      .filter((example) => !example.includes(' job.json'));
    expect(examples.length).toBeGreaterThan(4);
    for (const example of examples) {
      const { exitCode, all } = await run(`npx ${example.replace(' --dry-run', '')} --dry-run`);
      expect({ example, exitCode, output: exitCode === 0 ? '' : all }).toEqual({
        example,
        exitCode: 0,
        output: '',
      });
    }
  }, 120_000);
});

function blocksOf(file: string): Block[] {
  const text = readFileSync(join(PACKAGE_ROOT, file), 'utf8');
  return [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)].map(([, language = '', block = '']) => ({
    language,
    text: block,
  }));
}

/** A command a line; more lines where one ends in a backslash or a loop is open. */
function commandsOf(block: string): string[] {
  const commands: string[] = [];
  let open = '';
  for (const line of block.split('\n')) {
    open = open === '' ? line : `${open}\n${line}`;
    const isLoop = /^for .*; do$/m.test(open) && !/^done$/m.test(open);
    if (isLoop || line.endsWith('\\')) continue;
    if (open.trim() !== '') commands.push(open);
    open = '';
  }
  return commands;
}

const INSTALLED = ['node_modules', '.venv'];

/** The files that git has or would take, as a clone holds them; what is installed is linked. */
async function copyPackage(folder: string): Promise<void> {
  const { stdout } = await execa('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: PACKAGE_ROOT,
  });
  const files = stdout.split('\0').filter((name) => name !== '' && !INSTALLED.includes(name));
  for (const file of files) cpSync(join(PACKAGE_ROOT, file), join(folder, file));
  cpSync(join(PACKAGE_ROOT, 'dist'), join(folder, 'dist'), { recursive: true });
  for (const name of INSTALLED) symlinkSync(join(PACKAGE_ROOT, name), join(folder, name));
}
