import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 50;

/** Whether the group still has a member, be it one that waits to be reaped. */
function groupExists(pgid: number): boolean {
  return signalGroup(pgid, 0);
}

/** False when there is nobody left to signal. */
export function signalGroup(pgid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pgid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    if ((error as NodeJS.ErrnoException).code === 'EPERM') return false; // macOS says so of zombies
    throw error;
  }
}

/** SIGTERM, and SIGKILL for who is still there after the grace. */
export async function stopGroup(pgid: number, { graceMs }: { graceMs: number }): Promise<void> {
  if (!signalGroup(pgid, 'SIGTERM')) return;
  for (let waited = 0; waited < graceMs; waited += POLL_MS) {
    await sleep(POLL_MS);
    if (!groupExists(pgid)) return;
  }
  signalGroup(pgid, 'SIGKILL');
}
