/** What of our environment a Python process gets: one that finds its packages where they were installed for it. */
export function workerEnv(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const { PYTHONPATH: _path, PYTHONHOME: _home, ...inherited } = env;
  return inherited;
}
