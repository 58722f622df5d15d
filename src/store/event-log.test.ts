import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/rig.ts';
import { UserError } from '../errors/errors.ts';
import type { RunEvent } from '../spec/event.ts';
import { followEvents, openEventLog, readEnds, readEvents } from './event-log.ts';

const newLog = () => join(temporaryFolder(), 'events.ndjson');
const event = (run_seq: number, task = 'train-ü'): RunEvent => ({
  v: 1,
  ts: '2026-11-24T03:45:00.000Z',
  type: 'task_queued',
  task,
  run: 'r',
  run_seq,
});
const line = (run_seq: number) => `${JSON.stringify(event(run_seq))}\n`;

test('what is appended is read, once, in order', () => {
  const path = newLog();
  const log = openEventLog(path);
  expect(log.lastRunSeq).toBe(0);
  log.append(event(1));
  log.append(event(2));
  const first = readEvents(path, 0);
  expect(first).toEqual({ events: [event(1), event(2)], next: Buffer.byteLength(line(1)) * 2, foreign: 0 });
  log.append(event(3));
  log.close();
  expect(readEvents(path, first.next).events).toEqual([event(3)]);
});

test('a log that is not there yet is empty', () => {
  expect(readEvents(newLog(), 7)).toEqual({ events: [], next: 7, foreign: 0 });
});

test('a torn last line stays for next time, even torn within a character', () => {
  const path = newLog();
  const whole = Buffer.from(line(1) + line(2));
  const torn = whole.length - Buffer.byteLength(line(2)) + Buffer.from(line(2)).indexOf('ü') + 1;
  writeFileSync(path, whole.subarray(0, torn));
  const first = readEvents(path, 0);
  expect(first).toEqual({ events: [event(1)], next: Buffer.byteLength(line(1)), foreign: 0 });
  appendFileSync(path, whole.subarray(torn));
  expect(readEvents(path, first.next).events).toEqual([event(2)]);
});

test('reopening goes on numbering and closes a torn line, which stands as a foreign one', () => {
  const path = newLog();
  writeFileSync(path, `${line(1)}${line(2)}{"v":1,"ts`);
  const log = openEventLog(path);
  expect(log.lastRunSeq).toBe(2);
  log.append(event(3));
  log.append(event(4));
  log.close();
  expect(readEvents(path, 0)).toMatchObject({ events: [event(1), event(2), event(3), event(4)], foreign: 1 });
});

test('reopening a whole log adds nothing', () => {
  const path = newLog();
  writeFileSync(path, line(1));
  openEventLog(path).close();
  expect(readFileSync(path, 'utf8')).toBe(line(1));
});

test('lines that are no event are counted and skipped', () => {
  const path = newLog();
  const lines = ['null', '[]', '{}', 'noise', '{"type":"task_queued","run":"r","run_seq":1}', ''];
  writeFileSync(path, lines.map((text) => `${text}\n`).join('') + line(1));
  expect(readEvents(path, 0)).toMatchObject({ events: [event(1)], foreign: 5 });
});

test('the ends of a log are found without the rest, past foreign and torn lines longer than a reading', () => {
  const path = newLog();
  expect(readEnds(path)).toEqual({ first: undefined, last: undefined });
  writeFileSync(path, '');
  expect(readEnds(path)).toEqual({ first: undefined, last: undefined });
  const noise = `"${'x'.repeat(10_000)}"\n`;
  writeFileSync(path, `${noise}${line(1)}${line(2)}${noise}${line(3)}${noise}{"v":1`);
  expect(readEnds(path)).toEqual({ first: event(1), last: event(3) });
  writeFileSync(path, line(1));
  expect(readEnds(path)).toEqual({ first: event(1), last: event(1) });
});

test('a place that cannot be written is refused in words', () => {
  const folder = temporaryFolder();
  expect(() => openEventLog(folder)).toThrow(
    new UserError('output_not_writable', `${folder} cannot be written: it is a folder`, [
      'Check the permissions of its folder, or choose another.',
    ]),
  );
});

test('follows a log from before it exists until the signal, and still gives what stands there then', async () => {
  const path = newLog();
  const stop = new AbortController();
  const follower = followEvents(path, 0, stop.signal);
  const first = follower.next();
  const log = openEventLog(path);
  log.append(event(1));
  expect((await first).value).toEqual(event(1));
  log.append(event(2));
  expect((await follower.next()).value).toEqual(event(2));
  const third = follower.next();
  log.append(event(3));
  stop.abort();
  expect((await third).value).toEqual(event(3));
  expect((await follower.next()).done).toBe(true);
  log.close();
});

test('an aborted follower that waits ends at once', async () => {
  const stop = new AbortController();
  const next = followEvents(newLog(), 0, stop.signal).next();
  stop.abort();
  expect((await next).done).toBe(true);
});

test('appends far more than 20,000 events a second', () => {
  const log = openEventLog(newLog());
  const count = 20_000;
  const started = performance.now();
  for (let run_seq = 1; run_seq <= count; run_seq += 1) log.append(event(run_seq));
  const seconds = (performance.now() - started) / 1000;
  log.close();
  expect(seconds).toBeLessThan(1);
});
