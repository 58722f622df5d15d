/** What an installer said when it failed, as an error a person can act on. */
import { MachineError } from '../errors/errors.ts';

const SHOWN_LINES = 15;

const NO_ROOM = /No space left on device|os error 28\b|ENOSPC|Disk quota exceeded/i;
const WRONG_FILE = /Hash mismatch|DO NOT MATCH THE HASHES/;
const NO_NETWORK = new RegExp(
  [
    'dns error|failed to lookup address|Name or service not known|Temporary failure in name resolution',
    'Connection refused|Network is unreachable|Failed to establish a new connection|connection closed',
    'error sending request|Request failed after|Failed to fetch|timed out|tunnel error|ProxyError',
    'network was disabled|error decoding response body',
  ].join('|'),
  'i',
);

export function installFailure(output: string, folder: string, command: string): MachineError {
  const shown = lastLines(output);
  const full = noRoom(output, folder, command);
  if (full !== undefined) return full;
  if (WRONG_FILE.test(output)) {
    return new MachineError(
      'package_altered',
      `a package is not the file that the lock file names:\n${shown}`,
      [`Nothing of it was installed. Try again on another network or without a mirror: ${command}`],
    );
  }
  if (NO_NETWORK.test(output)) {
    return new MachineError('network_failed', `the packages could not be downloaded:\n${shown}`, [
      `Check the network (and HTTPS_PROXY, where there is a proxy), then run again: ${command}`,
      'What was downloaded is kept.',
    ]);
  }
  return new MachineError('install_failed', `the packages could not be installed:\n${shown}`, [
    `Run again: ${command}`,
  ]);
}

/** The error for a full disk, where the output tells of one. */
export function noRoom(output: string, folder: string, command: string): MachineError | undefined {
  if (!NO_ROOM.test(output)) return undefined;
  return new MachineError('disk_full', `no space left on the disk:\n${lastLines(output)}`, [
    `Free some for ${folder} and for the installer's cache, then run again: ${command}`,
  ]);
}

export function lastLines(output: string): string {
  return output.trim().split('\n').slice(-SHOWN_LINES).join('\n');
}
