/**
 * `npm start`: from a fresh clone to the table. Uses Node's own modules alone, since nothing else is there at first:
 * installs the packages, builds, makes the Python environment, runs the quickstart. What is there already is left.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';

const root = resolve(import.meta.dirname, '..');
const cli = join(root, 'dist', 'cli.js');
const OLDEST_NODE = [20, 19];

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
  process.stderr.write(
    `error: capstone needs Node ${OLDEST_NODE.join('.')} or newer, this is ${process.version}\n`,
  );
  process.exit(3);
}

const npm = process.env.npm_execpath;
once('node_modules', ['package.json', 'package-lock.json'], () =>
  npm ? run(process.execPath, [npm, 'ci']) : run('npm', ['ci']),
);
once('dist', ['package-lock.json', 'esbuild.config.mjs', ...filesBelow('src')], () =>
  run(process.execPath, ['esbuild.config.mjs']),
);
if (!process.env.CAPSTONE_PYTHON) run(process.execPath, [cli, 'setup', '--quiet']);

const program = spawn(process.execPath, [cli, 'run', '--spec', 'examples/quickstart.json'], {
  cwd: root,
  stdio: 'inherit',
});
// A terminal's Ctrl-C reaches the program itself; what is sent to this process alone is handed on.
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => program.kill(signal));
process.on('SIGINT', () => {});
program.on('exit', (code, signal) => {
  process.exitCode = signal === null ? (code ?? 1) : 130;
});

/** Does the work unless the folder's stamp says that it was done from these files as they are. */
function once(folder, inputs, work) {
  const hash = createHash('sha256');
  for (const file of inputs)
    hash
      .update(file)
      .update('\0')
      .update(readFileSync(join(root, file)))
      .update('\0');
  const digest = hash.digest('hex');
  const stamp = join(root, folder, '.stamp');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return;
  work();
  writeFileSync(stamp, digest);
}

function filesBelow(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();
}

function run(command, args) {
  const { status, signal } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(signal === null ? (status ?? 1) : 130);
}
