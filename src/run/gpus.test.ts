import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { listGpus } from './gpus.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'capstone-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function nvidiaSmi(script: string): void {
  writeFileSync(join(folder, 'nvidia-smi'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, 'nvidia-smi'), 0o755);
}

test('no program, no GPU', async () => {
  expect(await listGpus({ PATH: folder })).toEqual({ state: 'listed', gpus: [] });
});

test('two GPUs', async () => {
  nvidiaSmi('echo "NVIDIA H100 80GB HBM3, 81559, 550.54.15"; echo "NVIDIA A100-SXM4-40GB, 40960, 550.54.15"');
  expect(await listGpus({ PATH: folder })).toEqual({
    state: 'listed',
    gpus: [
      { name: 'NVIDIA H100 80GB HBM3', memoryBytes: 81559 * 2 ** 20, driver: '550.54.15' },
      { name: 'NVIDIA A100-SXM4-40GB', memoryBytes: 40960 * 2 ** 20, driver: '550.54.15' },
    ],
  });
});

test('a driver that does not fit', async () => {
  nvidiaSmi('echo "Failed to initialize NVML: Driver/library version mismatch"; exit 18');
  expect(await listGpus({ PATH: folder })).toEqual({
    state: 'silent',
    message: 'Failed to initialize NVML: Driver/library version mismatch',
  });
});

test('a driver that hangs', async () => {
  nvidiaSmi('exec /bin/sleep 30');
  expect(await listGpus({ PATH: folder })).toEqual({
    state: 'silent',
    message: 'nvidia-smi gave no answer in 1.5 s',
  });
});
