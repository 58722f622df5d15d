import { homedir } from 'node:os';
import { expect, test } from 'vitest';
import { cacheRoot, newRunId, runPaths, workspacePaths } from './paths.ts';

test('files of a run', () => {
  const { taskLog, ...files } = runPaths('/w', 'r');
  expect(files).toEqual({
    folder: '/w/runs/r',
    job: '/w/runs/r/job.json',
    plan: '/w/runs/r/plan.json',
    events: '/w/runs/r/events.ndjson',
    requests: '/w/runs/r/requests.ndjson',
    results: '/w/runs/r/results.json',
    environment: '/w/runs/r/environment.json',
    lock: '/w/runs/r/lock',
    hostLog: '/w/runs/r/logs/host.log',
  });
  expect(taskLog('train-x')).toBe('/w/runs/r/logs/train-x.log');
});

test('files of a workspace', () => {
  const { partial, ...files } = workspacePaths('/w');
  expect(files).toEqual({
    runs: '/w/runs',
    checkpoints: '/w/checkpoints',
    compressedModels: '/w/compressed_models',
    rows: '/w/benchmark_levels.csv',
    rowsLock: '/w/benchmark_levels.csv.lock',
  });
  expect(partial('k')).toBe('/w/checkpoints/.partial/k');
});

test('the id of a run carries time and name, and sorts by time', () => {
  const first = newRunId('quickstart', new Date('2026-11-24T03:45:00.999Z'), '3f2a');
  const second = newRunId('a', new Date('2026-11-24T03:45:01Z'), '0000');
  expect(first).toBe('20261124T034500Z-quickstart-3f2a');
  expect([second, first].sort()).toEqual([first, second]);
});

test.each([
  [{ XDG_CACHE_HOME: '/c', HOME: '/h' }, '/c/capstone'],
  [{ XDG_CACHE_HOME: 'relative', HOME: '/h' }, '/h/.cache/capstone'],
  [{ XDG_CACHE_HOME: '', HOME: '/h' }, '/h/.cache/capstone'],
  [{}, `${homedir()}/.cache/capstone`],
])('the cache for %o: %s', (env, folder) => {
  expect(cacheRoot(env)).toBe(folder);
});
