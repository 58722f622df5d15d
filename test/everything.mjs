/**
 * `npm test`: every check and test of both languages, then one real sweep. Stops at nothing, so that one run
 * shows all there is to mend, and closes with the plain line `N passed, N failed`.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { execa } from 'execa';

const root = resolve(import.meta.dirname, '..');
const scratch = mkdtempSync(join(tmpdir(), 'capstone-test-'));
const bin = (name) => join(root, 'node_modules', '.bin', name);
const venv = (name) => join(root, '.venv', 'bin', name);
const totals = { passed: 0, failed: 0 };
/** Shown once more at the end: above it lie thousands of lines. */
const failures = [];

/** A check is one test, unless its runner counts its own. What it says is shown at its end where it runs beside others. */
async function step(title, command, args, { count, env = {}, isBesideOthers = false } = {}) {
  const started = Date.now();
  if (!isBesideOthers) process.stdout.write(`\n== ${title}\n`);
  const output = isBesideOthers ? 'pipe' : 'inherit';
  const { failed, all } = await execa(command, args, {
    cwd: root,
    env,
    stdio: ['ignore', output, output],
    all: isBesideOthers,
    reject: false,
  });
  if (isBesideOthers) process.stdout.write(`\n== ${title}\n${all}\n`);
  const counted = tally(failed, count);
  totals.passed += counted.passed;
  totals.failed += counted.failed;
  if (counted.failed > 0) failures.push(title, ...(counted.names ?? []).map((name) => `  ${name}`));
  const seconds = ((Date.now() - started) / 1000).toFixed(1);
  process.stdout.write(`-- ${title}: ${failed ? 'FAILED' : 'ok'}, ${seconds} s\n`);
}

function tally(failed, count) {
  if (count === undefined) return { passed: failed ? 0 : 1, failed: failed ? 1 : 0 };
  try {
    const counted = count();
    return { ...counted, failed: failed ? Math.max(1, counted.failed) : counted.failed };
  } catch {
    return { passed: 0, failed: 1 }; // the runner died before it could count
  }
}

/** `cpu`: the only one that it may use. */
function vitest(title, path, cpu) {
  const report = join(scratch, `${title}.json`);
  const isPinned = cpu !== undefined;
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const command = [...(isPinned ? ['taskset', '-c', cpu] : []), bin('vitest'), 'run', path, ...reporters];
  const count = () => {
    const { numPassedTests, numTotalTests, testResults } = JSON.parse(readFileSync(report, 'utf8'));
    const names = testResults.flatMap((file) =>
      file.assertionResults.filter((test) => test.status !== 'passed').map((test) => test.fullName),
    );
    return { passed: numPassedTests, failed: numTotalTests - numPassedTests, names };
  };
  return step(title, command[0], command.slice(1), { count, isBesideOthers: isPinned });
}

/**
 * Files side by side, each on a CPU of its own: what trains with every CPU that it may use would only wait for another
 * that does, many times as long.
 */
async function systemTests() {
  const files = readdirSync(join(root, 'test')).filter((file) => file.endsWith('.test.ts'));
  // The longest first, so that no CPU is left with one of them at the end.
  const waiting = [...SLOWEST, ...files.filter((file) => !SLOWEST.includes(file))];
  const cpus = await usableCpus();
  await Promise.all(
    (cpus.length > 0 ? cpus : [undefined]).map(async (cpu) => {
      for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
        await vitest(file, join('test', file), cpu);
      }
    }),
  );
}

/** Numbers of the CPUs that this process may use; none where a process cannot be held to one. */
async function usableCpus() {
  const { stdout, failed } = await execa('taskset', ['-cp', String(process.pid)], { reject: false });
  if (failed) return [];
  const list = stdout.split(':').at(-1).trim().split(',');
  return list.flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => String(first + index));
  });
}

const SLOWEST = ['readme', 'tui', 'killed', 'runs', 'own-model', 'sweep', 'refusals'].map(
  (name) => `${name}.test.ts`,
);

function pytestCounts() {
  const report = readFileSync(join(scratch, 'pytest.xml'), 'utf8');
  const suite = report.match(/<testsuite [^>]*>/)?.[0] ?? '';
  const number = (name) => Number(suite.match(new RegExp(` ${name}="(\\d+)"`))?.[1] ?? Number.NaN);
  const failed = number('failures') + number('errors') + number('skipped');
  const notPassed = /<testcase classname="([^"]*)" name="([^"]*)"[^>]*[^/]><(?:failure|error|skipped)/g;
  const names = [...report.matchAll(notPassed)].map(([, file, name]) => `${file}: ${name}`);
  return { passed: number('tests') - failed, failed, names };
}

try {
  await step('build', process.execPath, ['esbuild.config.mjs']);
  await step('biome', bin('biome'), ['ci', '--error-on-warnings', '.']);
  await step('tsc', bin('tsc'), ['-p', '.']);
  await step('setup', process.execPath, ['dist/cli.js', 'setup', '--dev']);
  await step('ruff check', venv('ruff'), ['check', 'py', 'benchmarks']);
  await step('ruff format', venv('ruff'), ['format', '--check', 'py', 'benchmarks']);
  await step('mypy', venv('mypy'), ['py']);
  await step('mypy, benchmarks', venv('mypy'), ['benchmarks']); // both have a benchmark.py
  // As many processes as CPUs, of one thread each: most tests are too small for more.
  await step(
    'pytest',
    venv('python'),
    [
      '-m',
      'pytest',
      '-n',
      'auto',
      '--dist',
      'worksteal',
      '--durations',
      '25',
      `--junitxml=${join(scratch, 'pytest.xml')}`,
    ],
    { count: pytestCounts, env: { OMP_NUM_THREADS: '1' } },
  );
  await vitest('unit tests', 'src');
  await systemTests();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
for (const failure of failures) process.stdout.write(`\nFAILED ${failure}`);
process.stdout.write(`\n${totals.passed} passed, ${totals.failed} failed\n`);
process.exitCode = totals.failed > 0 ? 1 : 0;
