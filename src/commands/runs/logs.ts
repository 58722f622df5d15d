import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, UserError } from '../../errors/errors.ts';
import { printable } from '../../results/printable.ts';
import { runPaths } from '../../store/paths.ts';
import { findRun } from '../../store/runs.ts';
import { defineCommand } from '../definition.ts';
import { PLACE_FLAGS, placeFrom } from '../place.ts';
import { findTask, RUN_ARGUMENT } from './arguments.ts';
import { readState, readSummary } from './read-summary.ts';

const POLL_MS = 250;
const CHUNK_BYTES = 64 * 1024;

export const logs = defineCommand({
  summary: 'Log of a task, or of the worker host',
  examples: ['capstone runs logs latest', 'capstone runs logs latest train-resnet18 --follow'],
  arguments: [
    RUN_ARGUMENT,
    {
      name: 'task',
      description: 'Id of a task, or a part that no other has; default: the host.',
      required: false,
    },
  ],
  flags: [{ name: '--follow', description: 'Go on as it grows, until the run ends.' }, ...PLACE_FLAGS],
  async run(flags, args, io) {
    const { workspace } = placeFrom(flags, io);
    const id = findRun(workspace, args[0] ?? '');
    const paths = runPaths(workspace, id);
    const [, task] = args;
    const file =
      task === undefined ? paths.hostLog : paths.taskLog(findTask(readState(workspace, id).view, task).id);
    const follow = flags['--follow'] === true;
    if (!follow && !existsSync(file)) {
      throw new UserError('log_missing', `${file} is not there: nothing has been written to it`, [
        `See where the run stands: capstone runs show ${id}`,
      ]);
    }
    const printer = printLines((text) => io.stdout.write(text));
    for (let offset = 0; ; ) {
      // Before reading: what a run writes last is read after it has ended.
      const over = !follow || readSummary(workspace, id, Date.now()).state !== 'running';
      offset = copyFrom(file, offset, printer.write);
      if (over) break;
      await sleep(POLL_MS);
    }
    printer.end();
    return EXIT.done;
  },
});

/** What stands behind the offset; returns where it ends. A file that is not there yet is empty. */
function copyFrom(path: string, from: number, write: (bytes: Buffer) => void): number {
  if (!existsSync(path)) return from;
  const file = openSync(path, 'r');
  try {
    for (let offset = from; ; ) {
      const bytes = Buffer.alloc(CHUNK_BYTES);
      const read = readSync(file, bytes, 0, CHUNK_BYTES, offset);
      if (read === 0) return offset;
      write(bytes.subarray(0, read));
      offset += read;
    }
  } finally {
    closeSync(file);
  }
}

/** Whole lines, safe on a terminal: a log may hold whatever a library writes. */
function printLines(print: (text: string) => void) {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  return {
    write(bytes: Buffer) {
      const lines = `${rest}${decoder.write(bytes)}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) print(`${printable(line)}\n`);
    },
    end() {
      if (rest !== '') print(`${printable(rest)}\n`);
    },
  };
}
