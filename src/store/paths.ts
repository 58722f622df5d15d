/** Where everything lies: the one place that spells the files of a run, a workspace and the cache. */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

export interface RunPaths {
  readonly folder: string;
  readonly job: string;
  readonly plan: string;
  readonly events: string;
  readonly requests: string;
  readonly results: string;
  readonly environment: string;
  readonly lock: string;
  readonly hostLog: string;
  taskLog(task: string): string;
}

export function runPaths(workspace: string, id: string): RunPaths {
  const folder = join(workspacePaths(workspace).runs, id);
  const logs = join(folder, 'logs');
  return {
    folder,
    job: join(folder, 'job.json'),
    plan: join(folder, 'plan.json'),
    events: join(folder, 'events.ndjson'),
    requests: join(folder, 'requests.ndjson'),
    results: join(folder, 'results.json'),
    environment: join(folder, 'environment.json'),
    lock: join(folder, 'lock'),
    hostLog: join(logs, 'host.log'),
    taskLog: (task) => join(logs, `${task}.log`),
  };
}

export interface WorkspacePaths {
  readonly runs: string;
  readonly checkpoints: string;
  /** Training state of the task with this key, from which it can go on. */
  readonly partial: (key: string) => string;
  readonly compressedModels: string;
  readonly rows: string;
  readonly rowsLock: string;
}

export function workspacePaths(workspace: string): WorkspacePaths {
  const checkpoints = join(workspace, 'checkpoints');
  const rows = join(workspace, 'benchmark_levels.csv');
  return {
    runs: join(workspace, 'runs'),
    checkpoints,
    partial: (key) => join(checkpoints, '.partial', key),
    compressedModels: join(workspace, 'compressed_models'),
    rows,
    rowsLock: `${rows}.lock`,
  };
}

/** `20261124T034500Z-quickstart-3f2a`: sorts by time, says which job; `random` tells apart runs of one second. */
export function newRunId(name: string, now: Date, random: string): string {
  const time = now.toISOString().replace(/[-:]|\.\d+/g, '');
  return `${time}-${name}-${random}`;
}

/** `$XDG_CACHE_HOME/capstone`. A variable that is no absolute path is ignored, as the XDG specification asks. */
export function cacheRoot(env: NodeJS.ProcessEnv): string {
  const given = env['XDG_CACHE_HOME'] ?? '';
  return join(isAbsolute(given) ? given : join(env['HOME'] || homedir(), '.cache'), 'capstone');
}
