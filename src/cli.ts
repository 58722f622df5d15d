/** The program's entry: the one place that touches `process`. */
import { main } from './cli/main.ts';

// A reader that has seen enough (`capstone results | head`), or was stopped by the same Ctrl-C (`capstone sweep 2>&1 |
// tee log`), or a terminal that was closed, is no error of ours: a run goes on to its safe stop.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
  });
}

process.exitCode = await main(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
});
