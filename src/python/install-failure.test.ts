import { expect, test } from 'vitest';
import { drawError } from '../errors/draw.ts';
import { installFailure } from './install-failure.ts';

const drawn = (output: string) => drawError(installFailure(output, '/x/.venv', 'capstone setup --torch cpu'));

test('a full disk, as uv and as pip tell of it', () => {
  const uv = 'error: Failed to extract archive\n  cause: No space left on device (os error 28)';
  expect(drawn(uv)).toBe(
    'error: no space left on the disk:\n' +
      'error: Failed to extract archive\n' +
      '  cause: No space left on device (os error 28)\n' +
      "  Free some for /x/.venv and for the installer's cache, then run again: capstone setup --torch cpu\n",
  );
  const pip = 'ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device';
  expect(installFailure(pip, '/x', 'capstone setup')).toMatchObject({ code: 'disk_full', exitCode: 3 });
});

test('a network that is gone', () => {
  const uv =
    'error: Request failed after 3 retries in 10.1s\n' +
    '  cause: Failed to fetch: somewhere\n' +
    '  cause: dns error';
  expect(drawn(uv)).toBe(
    'error: the packages could not be downloaded:\n' +
      'error: Request failed after 3 retries in 10.1s\n' +
      '  cause: Failed to fetch: somewhere\n' +
      '  cause: dns error\n' +
      '  Check the network (and HTTPS_PROXY, where there is a proxy), then run again: capstone setup --torch cpu\n' +
      '  What was downloaded is kept.\n',
  );
  const pip = 'WARNING: Retrying after connection broken by NewConnectionError: Network is unreachable';
  expect(installFailure(pip, '/x', 'capstone setup')).toMatchObject({ code: 'network_failed', exitCode: 3 });
});

test('a file that is not the one of the lock file', () => {
  const pip = 'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.';
  expect(drawn(pip)).toBe(
    'error: a package is not the file that the lock file names:\n' +
      `${pip}\n` +
      '  Nothing of it was installed. Try again on another network or without a mirror: capstone setup --torch cpu\n',
  );
});

test('anything else, its last fifteen lines', () => {
  const lines = Array.from({ length: 20 }, (_, index) => `line ${index + 1}`);
  expect(drawn(lines.join('\n'))).toBe(
    'error: the packages could not be installed:\n' +
      `${lines.slice(5).join('\n')}\n` +
      '  Run again: capstone setup --torch cpu\n',
  );
});
