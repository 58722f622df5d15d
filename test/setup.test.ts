/** `capstone setup` as a process of a global install: the program alone, in a folder that it does not write to. */
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execa } from 'execa';
import { beforeAll, expect, test } from 'vitest';
import { PACKAGE_ROOT, PYTHON, temporaryFolder, until } from './rig.ts';

const folder = temporaryFolder();
const program = join(folder, 'program');
const data = join(folder, 'data');
const cli = join(program, 'dist', 'cli.js');
const env = { ...process.env, XDG_DATA_HOME: data, HOME: folder, NO_COLOR: '1', FORCE_COLOR: undefined };

beforeAll(() => {
  for (const part of [
    'dist',
    'package.json',
    'requirements.txt',
    'requirements-cpu.txt',
    'requirements-uv.txt',
  ]) {
    cpSync(join(PACKAGE_ROOT, part), join(program, part), { recursive: true });
  }
});

test('a full disk is noticed before anything is made', async () => {
  mkdirSync(data, { recursive: true });
  const script =
    'mount -t tmpfs -o size=2m capstone "$XDG_DATA_HOME" && "$@"; code=$?; ls "$XDG_DATA_HOME/capstone" >&2; exit $code';
  const { stderr, exitCode } = await execa(
    'unshare',
    [
      '--map-root-user',
      '--mount',
      'sh',
      '-c',
      script,
      'sh',
      process.execPath,
      cli,
      'setup',
      '--python',
      PYTHON,
    ],
    { env, extendEnv: false, reject: false },
  );
  expect(stderr.replace(/env-[0-9a-f]{16}/, 'env-…')).toMatch(
    /^error: .*\/data\/capstone\/env-… needs (5\.20|1\.00) GB, and its disk has 2\.\d\d MB left\n {2}Free some space, then run again: capstone setup$/,
  );
  expect(exitCode).toBe(3);
});

test('a second set-up waits for the first, and says so', async () => {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'slow'), `#!/bin/sh\nwhile [ ! -e ${folder}/go ]; do sleep 0.05; done\nexit 1\n`, {
    mode: 0o755,
  });
  const setup = () =>
    execa(process.execPath, [cli, 'setup', '--python', join(bin, 'slow')], {
      env,
      extendEnv: false,
      reject: false,
    });
  mkdirSync(join(data, 'capstone'), { recursive: true });
  const first = setup();
  await until(() => readdirSync(join(data, 'capstone')).some((name) => name.endsWith('.lock')));
  const second = setup();
  let said = '';
  second.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  await until(() => said.includes('\n'));
  expect(said).toMatch(new RegExp(`^Waiting for another set-up, process ${first.pid} on .+\n$`));
  writeFileSync(join(folder, 'go'), '');
  const refusal = `error: ${join(bin, 'slow')} cannot be run, and requirements.txt is for Python 3.10, 3.11 or 3.12`;
  expect((await first).stderr).toContain(refusal);
  expect((await second).stderr).toContain(refusal);
  expect(readdirSync(join(data, 'capstone'))).toEqual([]);
});

test('an unknown build of torch is refused', async () => {
  const { stderr, exitCode } = await execa(process.execPath, [cli, 'setup', '--torch', 'gpu'], {
    env,
    extendEnv: false,
    reject: false,
  });
  expect({ stderr, exitCode }).toEqual({
    stderr: 'error: --torch: expected default or cpu, found "gpu"',
    exitCode: 2,
  });
});
