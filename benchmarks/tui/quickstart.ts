/**
 * The quickstart as a person sees it, by keys alone in a real pseudo-terminal, from an empty folder to its end.
 *
 *     npm run tui-quickstart
 *
 * Started, watched, closed and opened again meanwhile, then its results sorted, drawn as a scatter, two levels compared,
 * all rows exported as CSV. Prints the screens; exits 1 where one does not come. Takes as long as the quickstart.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseCsv } from '../../src/results/csv.ts';
import { TerminalSession } from '../../test/terminal.ts';

const PATIENCE_MS = 10 * 60_000;
const POLL_MS = 50;
const SIZE = { columns: 100, rows: 30 };

const scratch = mkdtempSync(join(tmpdir(), 'capstone-tui-quickstart-'));
const workspace = join(scratch, 'empty');
const env = { ...process.env, XDG_CACHE_HOME: join(scratch, 'cache') };
const startedAt = performance.now();

const say = (line: string) => process.stdout.write(`${line}\n`);
const open = () => new TerminalSession({ cwd: workspace, env, ...SIZE });

/** Waits for a screen and prints it. */
async function see(session: TerminalSession, title: string, wanted: RegExp): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!wanted.test(session.text())) {
    if (session.ended !== undefined || Date.now() > deadline) {
      throw new Error(`${title}: ${wanted} does not stand here:\n${session.text()}`);
    }
    await sleep(POLL_MS);
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  say(`\n== ${title}, after ${seconds} s\n${session.text().trimEnd()}`);
}

try {
  say(
    `${cpus().length} CPUs (${cpus()[0]?.model}), load ${loadavg()[0]?.toFixed(1)}, node ${process.version}`,
  );
  mkdirSync(workspace);
  let session = open();
  await see(session, 'an empty folder', /No runs here yet/);
  session.press('\r');
  await see(session, 'Enter starts the quickstart', /> ● running +quickstart/);
  session.press('\r');
  await see(session, 'Enter opens it: the training, after two epochs', /epoch [2-9]/);
  session.press('ql');
  await session.end();
  session = open();
  await see(session, 'closed and opened again: it goes on', /> ● running +quickstart/);
  session.press('\r');
  await see(session, 'all is done', /✓ done {2}sweep quickstart {2}11 of 11 tasks/);
  session.press('R');
  await see(session, 'its rows', /10 rows/);
  session.press('/level>=3\r');
  await see(session, 'where level>=3', /6 of 10 rows|6 rows/);
  session.press('s');
  await see(session, 'sorted', /sort by/);
  session.press('\r');
  await see(session, 'by level', /by level ↑/);
  session.press(' jj ');
  await see(session, 'two marked', /2 marked/);
  session.press('v');
  await see(session, 'as a scatter', /no other row beats it/);
  session.press('v=');
  await see(session, 'two levels side by side', / A .* B .*better/);
  session.press('=/');
  await see(session, 'the condition', /rows where: level>=3/);
  session.press(`${'\u007f'.repeat(8)}\r`);
  await see(session, 'all rows again', /all runs · 10 rows|· 10 rows · 2 marked/);
  session.press('e\r');
  await see(session, 'exported', /write to/);
  session.press('\r');
  await see(session, 'a file', /results\.csv/);
  await sleep(500);
  const { rows } = parseCsv(readFileSync(join(workspace, 'results.csv'), 'utf8'));
  if (rows.length !== 10) throw new Error(`results.csv holds ${rows.length} rows, not 10`);
  session.press('q');
  const ended = await session.end();
  if (ended.exit_code !== 0) throw new Error(`it ended with ${JSON.stringify(ended)}`);
  say(`\nresults.csv: ${rows.length} rows; levels ${[...new Set(rows.map(({ level }) => level))].join(' ')}`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
