import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../../test/rig.ts';
import { appendRequest, type RequestOfRun, readRequests } from './requests.ts';

const ts = '2026-11-24T03:45:00.000Z';

test('requests are read once, in order, past torn and foreign lines', () => {
  const path = join(temporaryFolder(), 'requests.ndjson');
  expect(readRequests(path, 0)).toEqual({ requests: [], next: 0 });
  const cancelTask: RequestOfRun = { type: 'cancel_task', task: 'train-x', ts };
  appendRequest(path, cancelTask);
  const first = readRequests(path, 0);
  expect(first.requests).toEqual([cancelTask]);
  appendFileSync(path, `{"type":"explode","ts":"${ts}"}\n{"type":"cancel_task","ts":"${ts}"}\n{"type":"can`);
  appendRequest(path, { type: 'cancel_task', task: 'train-y', ts });
  appendRequest(path, { type: 'retry_task', task: 'train-y', ts });
  appendRequest(path, { type: 'cancel', ts });
  const second = readRequests(path, first.next);
  expect(second.requests).toEqual([
    { type: 'cancel_task', task: 'train-y', ts },
    { type: 'retry_task', task: 'train-y', ts },
    { type: 'cancel', ts },
  ]);
  expect(readRequests(path, second.next).requests).toEqual([]);
});
