/**
 * `npm test`: every check and test of both languages, then one real sweep. Stops at nothing, so that one run
 * shows all there is to mend, and closes with the plain line `N passed, N failed`.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { execa } from 'execa';

const root = resolve(import.meta.dirname, '..');
const scratch = mkdtempSync(join(tmpdir(), 'capstone-test-'));
const bin = (name) => join(root, 'node_modules', '.bin', name);
const venv = (name) => join(root, '.venv', 'bin', name);
const totals = { passed: 0, failed: 0 };

/** A check is one test, unless its runner counts its own. */
async function step(title, command, args, count, env = {}) {
  const started = Date.now();
  process.stdout.write(`\n== ${title}\n`);
  const { failed } = await execa(command, args, {
    cwd: root,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
    reject: false,
  });
  const counted = tally(failed, count);
  totals.passed += counted.passed;
  totals.failed += counted.failed;
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

function vitest(title, folder, ...flags) {
  const report = join(scratch, `${folder}.json`);
  const args = [
    'run',
    folder,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...flags,
  ];
  return step(title, bin('vitest'), args, () => {
    const { numPassedTests, numTotalTests } = JSON.parse(readFileSync(report, 'utf8'));
    return { passed: numPassedTests, failed: numTotalTests - numPassedTests };
  });
}

function pytestCounts() {
  const suite = readFileSync(join(scratch, 'pytest.xml'), 'utf8').match(/<testsuite [^>]*>/)?.[0] ?? '';
  const number = (name) => Number(suite.match(new RegExp(` ${name}="(\\d+)"`))?.[1] ?? Number.NaN);
  const failed = number('failures') + number('errors') + number('skipped');
  return { passed: number('tests') - failed, failed };
}

try {
  await step('build', process.execPath, ['esbuild.config.mjs']);
  await step('biome', bin('biome'), ['ci', '--error-on-warnings', '.']);
  await step('tsc', bin('tsc'), ['-p', '.']);
  await step('setup', process.execPath, ['dist/cli.js', 'setup', '--dev']);
  await step('ruff check', venv('ruff'), ['check', 'py', 'benchmarks']);
  await step('ruff format', venv('ruff'), ['format', '--check', 'py', 'benchmarks']);
  await step('mypy', venv('mypy'), ['py']);
  // As many processes as CPUs, of one thread each: most tests are too small for more.
  await step(
    'pytest',
    venv('python'),
    ['-m', 'pytest', '-n', 'auto', '--dist', 'worksteal', `--junitxml=${join(scratch, 'pytest.xml')}`],
    pytestCounts,
    { OMP_NUM_THREADS: '1' },
  );
  await vitest('unit tests', 'src');
  // One file at a time: each trains with every CPU, and two of them only wait for each other.
  await vitest('system tests', 'test', '--no-file-parallelism');
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
process.stdout.write(`\n${totals.passed} passed, ${totals.failed} failed\n`);
process.exitCode = totals.failed > 0 ? 1 : 0;
