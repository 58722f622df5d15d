/** The terminal UI in a real terminal, with real runs: what is started goes on without it, and it leaves no trace. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { afterEach, expect, onTestFailed, test } from 'vitest';
import { parseCsv } from '../src/results/csv.ts';
import { CLI, isRunning, PYTHON, SMALL_SWEEP, temporaryFolder, until, Workspace } from './rig.ts';
import { TerminalSession } from './terminal.ts';

const cache = temporaryFolder();
const opened: TerminalSession[] = [];

function open(workspace: Workspace, options: Partial<ConstructorParameters<typeof TerminalSession>[0]> = {}) {
  const session = new TerminalSession({ cwd: workspace.folder, env: workspace.env, ...options });
  opened.push(session);
  return session;
}

afterEach(() => {
  for (const session of opened.splice(0)) if (session.ended === undefined) session.hangUp();
});

/** Screen, cursor, and the terminal's own line editing are as they were. */
function expectRestored(session: TerminalSession): void {
  expect(session.isAlternate()).toBe(false);
  expect(session.raw.lastIndexOf('\u001b[?25h')).toBeGreaterThan(session.raw.lastIndexOf('\u001b[?25l'));
}

test('from an empty folder to a run that goes on without it, seen and cancelled by a second one', async () => {
  const workspace = new Workspace(cache);
  // Whatever fails here, the run does not outlive the test.
  onTestFailed(() => workspace.start('runs', 'cancel', 'latest').then(() => {}));
  const first = open(workspace);
  await first.shows(/No runs here yet/);
  first.press('\r');
  await first.shows(/> ● running +quickstart +sweep/);
  const [id = ''] = workspace.runs();
  first.press('\r');
  await first.shows(new RegExp(`runs / ${id}\n\n● running {2}sweep quickstart {2}0 of 11 tasks`));
  await first.shows(/> ● train/);
  first.press('q');
  await first.shows(/A run that you started goes on\. Leave running, or cancel\?/);
  first.press('l');
  expect(await first.end()).toEqual({ exit_code: 0, signal: null });
  expectRestored(first);

  const second = open(workspace, { columns: 120, rows: 40 });
  await second.shows(/> ● running +quickstart/);
  second.press('\r');
  await second.shows(/> ● train/);
  await second.shows(/host: ready, Python/);
  second.resize(80, 24);
  await second.shows(/c cancel task {2}x cancel run .* q quit\n*$/);
  second.press('x');
  await second.shows(new RegExp(`Cancel ${id}\\?`));
  second.press('y');
  await second.shows(/- cancelled {2}sweep quickstart/);
  const events = workspace.events(id);
  expect(events.at(-1)).toMatchObject({ type: 'run_ended', outcome: 'cancelled' });
  const started = events.find(({ type }) => type === 'started');
  await until(() => !isRunning(Number(started?.['pid'])));
  second.press('\u001b');
  await second.shows(/> - cancelled +quickstart/);
  // Its orchestrator has said that it is over, and ends.
  await until(() => !existsSync(workspace.path('runs', id, 'lock')));
  second.press('dy');
  await second.shows(/No runs here yet/);
  expect(workspace.runs()).toEqual([]);
  // It started no run, so it does not ask.
  second.press('q');
  expect(await second.end()).toEqual({ exit_code: 0, signal: null });
  expectRestored(second);
}, 180_000);

test('one run seen by two: resized, outliving a UI that is killed, then sorted, compared and exported', async () => {
  const workspace = new Workspace(cache).makeSmallDataset();
  workspace.write('job.json', SMALL_SWEEP);
  const program = workspace.start('run', '--spec', 'job.json');
  const [first, second] = [open(workspace), open(workspace, { columns: 120, rows: 40 })];
  for (const session of [first, second]) {
    await session.shows(/> ● running +small/);
    session.press('\r');
    await session.shows(/● running {2}sweep small {2}\d of 5 tasks/);
    await session.shows(/> ● train/);
  }
  for (let step = 0; step < 50; step += 1) {
    second.resize(80 + ((37 * step) % 121), 24 + ((11 * step) % 37));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  second.resize(79, 24);
  await second.shows(/needs 80 columns and 24 rows/);
  second.resize(100, 30);
  const whole = await second.shows(
    /^capstone {2}runs \/ .*\n[\s\S]*c cancel task {2}x cancel run .* q quit\n*$/,
  );
  // Once, and nothing is left of other sizes.
  expect(whole.match(/capstone {2}runs/g)).toHaveLength(1);
  first.kill('SIGKILL');
  expect(await first.end()).toEqual({ exit_code: null, signal: 'SIGKILL' });
  expect((await program).exitCode).toBe(0);
  await second.shows(/✓ done {2}sweep small {2}5 of 5 tasks/);

  second.press('R');
  await second.shows(/4 rows/);
  const levels = (text: string) => [...text.matchAll(/^[> ] [◆ ] +([13]) +\d/gm)].map(([, level]) => level);
  second.press('s');
  await second.shows(/sort by\s+> level/);
  second.press('\r');
  await until(() => levels(second.text()).join('') === '1133');
  second.press('s\r');
  await until(() => levels(second.text()).join('') === '3311');
  second.press(' jj ');
  await second.shows(/4 rows · 2 marked/);
  second.press('=');
  await second.shows(/^level +3 +1$/m);
  second.press('=');
  await second.shows(/4 rows · 2 marked/);
  second.press('e');
  await second.shows(/export as\s+> CSV/);
  second.press('\r');
  await second.shows(/write to[\s\S]*results\.csv/);
  second.press('\r');
  await second.shows(/results\.csv/);
  await until(() => existsSync(workspace.path('results.csv')));
  expect(parseCsv(workspace.read('results.csv')).rows.map(({ level }) => level)).toEqual([3, 3, 1, 1]);
  second.press('q');
  expect(await second.end()).toEqual({ exit_code: 0, signal: null });
  expectRestored(second);
}, 180_000);

test('a run whose orchestrator is killed: nothing of it goes on, and r does', async () => {
  const workspace = new Workspace(cache).makeSmallDataset();
  const train = { epochs: 3, batch_size: 64, max_train_samples: 1024 };
  workspace.write('job.json', { version: 1, kind: 'train', name: 'cut', train });
  const program = workspace.start('run', '--spec', 'job.json');
  const [first, second] = [
    open(workspace, { columns: 80, rows: 24 }),
    open(workspace, { columns: 80, rows: 24 }),
  ];
  for (const session of [first, second]) {
    await session.shows(/> ● running +cut/);
    session.press('\r');
    await session.shows(/train accuracy \d/); // an epoch is over
  }
  await first.shows(/workers: CPU \d+ % · memory \d/);
  const [id = ''] = workspace.runs();
  const worker = Number(workspace.events(id).find(({ type }) => type === 'started')?.['pid']);
  expect(isRunning(worker)).toBe(true);
  program.kill('SIGKILL');
  await until(() => !isRunning(worker));
  for (const session of [first, second]) {
    await session.shows(/! interrupted {2}train cut/);
    await session.shows(/> ! train .* interrupted in \w/);
    expect(session.text()).not.toContain('workers:');
  }
  expect(first.text()).toBe(second.text());
  second.press('r');
  await second.shows(/going on with/);
  for (const session of [first, second]) await session.shows(/✓ done {2}train cut {2}1 of 1 tasks/);
  const epochs = workspace.events(id).filter(({ type, split }) => type === 'metric' && split === 'train');
  // None of them twice, but for the one that was cut.
  expect(epochs.length).toBeLessThanOrEqual(4);
  expect(epochs.at(-1)).toMatchObject({ epoch: 3 });
}, 180_000);

/** Presses a key until the line under the cursor is as wanted. */
async function turnTo(session: TerminalSession, key: string, wanted: RegExp): Promise<void> {
  const chosen = () => session.text().match(/^> .*/m)?.[0] ?? '';
  while (!wanted.test(chosen())) {
    const before = chosen();
    session.press(key);
    await until(() => chosen() !== before);
  }
}

const IMAGES = `
import sys
from pathlib import Path
from PIL import Image
for split in ("train", "test"):
    for label, colour in (("cat", "red"), ("dog", "blue")):
        folder = Path("data/pets", split, label)
        folder.mkdir(parents=True)
        for index in range(8):
            Image.new("RGB", (32, 32), colour).save(folder / f"{index}.png")
`;

test('a task that failed: why, what to do and its log in one screen of 80 by 24, and r runs it again', async () => {
  const workspace = new Workspace(cache);
  await execa(PYTHON, ['-c', IMAGES], { cwd: workspace.folder });
  const broken = join('data', 'pets', 'train', 'dog', '3.png');
  const whole = readFileSync(workspace.path(broken));
  workspace.write(broken, 'no image');
  const session = open(workspace, { columns: 80, rows: 24 });
  await session.shows(/No runs here yet/);
  session.press('n');
  await session.shows(/> +kind +sweep/);
  await turnTo(session, '\u001b[C', /^> +kind +train/);
  for (const [field, value] of [
    ['dataset', 'pets'],
    ['epochs', '1'],
    ['batch size', '4'],
  ] as const) {
    await turnTo(session, 'j', new RegExp(`^> +${field} `));
    session.press('\r');
    await session.shows(new RegExp(`^${field}: `, 'm'));
    session.press(`${'\u007f'.repeat(20)}${value}\r`);
    await session.shows(new RegExp(`> +${field} +${value}`));
  }
  await session.shows(/1 task · time not known/);
  session.press('R');
  await session.shows(/> ● running +train/);
  session.press('\r');
  const failed = await session.shows(/✗ failed {2}train train[\s\S]*✗ train/);
  expect(failed.replaceAll('\n', ' ')).toContain('3.png: the image cannot be decoded');
  expect(failed).toMatch(/^Remove the file or replace it/m);
  expect(failed).toContain('r runs it again, l shows all of its log');
  workspace.write(broken, whole);
  session.press('r');
  await session.shows(/✓ done {2}train train {2}1 of 1 tasks/);
  session.press('\u001b');
  await session.shows(/> ✓ done +train/);
  session.press('q');
  expect(await session.end()).toEqual({ exit_code: 0, signal: null });
}, 180_000);

test('a run that cannot start says why and what to do', async () => {
  const workspace = new Workspace(cache);
  const session = open(workspace, { env: { ...workspace.env, CAPSTONE_PYTHON: '/nowhere/python' } });
  await session.shows(/No runs here yet/);
  session.press('\r');
  await session.shows(/error: .*\/nowhere\/python/);
  expect(existsSync(workspace.path('runs'))).toBe(false);
});

test.each(['SIGTERM', 'SIGHUP', 'SIGINT'] as const)(
  '%s ends it with the terminal as it was',
  async (signal) => {
    const session = open(new Workspace(cache));
    await session.shows(/No runs here yet/);
    expect(session.isAlternate()).toBe(true);
    session.kill(signal);
    expect(await session.end()).toEqual({ exit_code: null, signal });
    expectRestored(session);
  },
);

test('a crash says what it was on the terminal as it was', async () => {
  const crash = "setTimeout(() => { throw new Error('made up'); }, 1500)";
  const session = open(new Workspace(cache), {
    command: [process.execPath, '--import', `data:text/javascript,${encodeURIComponent(crash)}`, CLI],
  });
  await session.shows(/No runs here yet/);
  expect((await session.end()).exit_code).not.toBe(0);
  expectRestored(session);
  expect(session.text()).toContain('Error: made up');
});

test('Ctrl-C quits with 130', async () => {
  const session = open(new Workspace(cache));
  await session.shows(/No runs here yet/);
  session.press('\u0003');
  expect((await session.end()).exit_code).toBe(130);
  expectRestored(session);
});

test('Ctrl-Z gives the shell back, and fg the UI', async () => {
  const workspace = new Workspace(cache);
  const session = open(workspace, { command: ['bash', '--norc', '--noprofile', '-i'] });
  session.press(`PS1='$ '; clear; '${process.execPath}' '${CLI}'\r`);
  await session.shows(/No runs here yet/);
  session.press('\u001a');
  await session.shows(/Stopped/);
  expectRestored(session);
  // The shell echoes: it is in its own mode again.
  session.press('echo he""re\r');
  await session.shows(/\nhere\n/);
  session.press('fg\r');
  await session.shows(/No runs here yet/);
  expect(session.isAlternate()).toBe(true);
  session.press('q');
  await until(() => !session.isAlternate());
  session.press('exit\r');
  await session.end();
}, 60_000);

test('without colours nothing is coloured, and in ASCII nothing is anything else', async () => {
  const session = open(new Workspace(cache), { args: ['--ascii'] });
  await session.shows(/No runs here yet/);
  session.press('n');
  await session.shows(/\+ ready to run/);
  session.press('\u001b?');
  await session.shows(/Keys/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: this is how colours are set
  expect(session.raw).not.toMatch(/\u001b\[(3[0-7]|4[0-7]|9[0-7]|38;|48;)/);
  const others = [...session.raw].filter((character) => character > '~');
  expect(others).toEqual([]);
});

test('without a terminal there is no UI, and help does not load what draws one', async () => {
  const workspace = new Workspace(cache);
  const alone = await workspace.start();
  expect(alone.stdout).toContain('Usage: capstone');
  expect(await workspace.start('tui')).toMatchObject({
    exitCode: 2,
    stderr:
      'error: the terminal UI needs a terminal for its input and its output\n  See the runs without one: capstone runs',
  });
  // Node lists there every file that it has loaded.
  const coverage = workspace.path('coverage');
  const env = { ...workspace.env, NODE_V8_COVERAGE: coverage };
  await execa(process.execPath, [CLI, '--help'], { env, extendEnv: false });
  const [report = ''] = readdirSync(coverage);
  const { result } = JSON.parse(readFileSync(join(coverage, report), 'utf8')) as {
    result: { url: string }[];
  };
  const loaded = result.map(({ url }) => url).filter((url) => url.includes('/dist/'));
  expect(loaded.length).toBeGreaterThan(0);
  const texts = loaded.map((url) => readFileSync(fileURLToPath(url), 'utf8'));
  expect(texts.filter((text) => text.includes('react-reconciler'))).toEqual([]);
});
