import { expect, test } from 'vitest';
import { MachineError, UserError } from '../errors/errors.ts';
import { type Check, examine } from '../python/doctor.ts';
import type { Facts } from '../python/facts.ts';
import { drawChecks } from './draw-checks.ts';

const GOOD: Facts = {
  node: { version: '20.19.1', oldest: '20.19' },
  python: {
    state: 'usable',
    variant: 'cpu',
    interpreter: {
      path: '/x/.venv/bin/python',
      origin: 'managed',
      python: '3.11.7',
      torch: '2.2.2+cpu',
      torchvision: '0.17.2+cpu',
      numpy: '1.26.4',
      onnxruntime: '1.32.0',
      openvino: '2026.4.0',
    },
  },
  cpu: { model: 'Some CPU', isa: ['amx_tile', 'avx2', 'avx512_vnni'] },
  cpus: { machine: 64, affinity: 16, quota: 4 },
  gpus: { state: 'listed', gpus: [] },
  memory: { totalBytes: 64e9, freeBytes: 40e9, limitBytes: 16e9 },
  disks: [
    { role: 'workspace', path: '/w', freeBytes: 50e9, writable: true },
    { role: 'cache', path: '/c', freeBytes: 2e9, writable: true },
    { role: 'environment', path: '/x/.venv', freeBytes: 1e6, writable: false },
  ],
  datasets: [
    { state: 'found', name: 'fashion_mnist_mini', where: 'bundled with capstone', files: 0 },
    { state: 'found', name: 'cats', where: '/w/data/cats', files: 2048 },
  ],
  caches: [
    { name: 'data', bytes: 231e6, entries: 2 },
    { name: 'logits', bytes: 0, entries: 0 },
    { name: 'digests', bytes: 1220, entries: 12 },
  ],
  runs: { total: 3, running: ['20261124T034500Z-b'], interrupted: [] },
};

const BAD: Facts = {
  node: { version: '18.20.4', oldest: '20.19' },
  python: {
    state: 'unusable',
    error: new MachineError('environment_not_ready', 'the Python environment /x/.venv is not made yet', [
      'Make it: capstone setup',
    ]),
  },
  cpu: { model: 'Old CPU', isa: ['sse4_2'] },
  cpus: { machine: 2, affinity: 2, quota: Number.POSITIVE_INFINITY },
  gpus: { state: 'silent', message: 'Driver/library version mismatch' },
  memory: { totalBytes: 64e9, freeBytes: 1e9 },
  disks: [
    { role: 'workspace', path: '/w', freeBytes: 50e9, writable: false },
    { role: 'cache', path: '/c', freeBytes: 0, writable: true },
    { role: 'environment', path: '/x/.venv', freeBytes: 4e9, writable: true },
  ],
  datasets: [
    {
      state: 'unusable',
      name: 'dogs',
      error: new UserError('dataset_layout', 'data set dogs: /w/data/dogs has no folder test', ['Add it.']),
    },
  ],
  caches: [],
  runs: { total: 1, running: [], interrupted: ['20261124T034500Z-\u001b[31mred'] },
};

const drawn = (facts: Facts) => drawChecks(examine(facts), { color: false });

test('a machine on which all is well', () => {
  expect(drawn(GOOD)).toBe(`\
✓ Node         20.19.1
✓ Python       3.11.7, /x/.venv/bin/python, made by capstone setup
✓ torch        2.2.2+cpu, CPU build; torchvision 0.17.2+cpu, numpy 1.26.4
✓ Runtimes     onnxruntime 1.32.0, openvino 2026.4.0
✓ CPU          Some CPU; with AVX2 (fp32), AVX512-VNNI (fast int8), AMX (fastest int8 and bf16); without AVX512-BF16
✓ CPUs         4 of 64 usable: bound to 16 of them, a cgroup quota of 4
✓ GPU          none from NVIDIA; everything runs on the CPU
✓ Memory       64.0 GB, of which a cgroup allows 16.0 GB, 40.0 GB free
✓ Workspace    /w, 50.0 GB free
✓ Cache        /c, 2.00 GB free
✓ Environment  /x/.venv, 1.00 MB free
✓ Data set     fashion_mnist_mini: bundled with capstone
✓ Data set     cats: /w/data/cats, 2.05 k images
✓ Caches       231 MB: data 231 MB in 2, digests 1.22 kB in 12
✓ Runs         3 runs; running: 20261124T034500Z-b

Ready: a job can run.
`);
});

test('an interpreter without a runtime', () => {
  const python = GOOD.python as Extract<Facts['python'], { state: 'usable' }>;
  const interpreter = { ...python.interpreter, openvino: null };
  const check = examine({ ...GOOD, python: { ...python, interpreter } }).find(({ id }) => id === 'runtimes');
  expect(check).toEqual({
    id: 'runtimes',
    status: 'warning',
    title: 'Runtimes',
    detail: 'onnxruntime 1.32.0, no openvino: originals may be faster than best_original_latency_ms will say',
    next: ['Install them there: /x/.venv/bin/python -m pip install onnx openvino'],
  });
});

test('a machine on which nothing is, and a name that would colour the terminal', () => {
  expect(drawn(BAD)).toBe(`\
✗ Node         18.20.4, and 20.19 is the oldest that works
               Install Node 20.19 or newer
✗ Python       the Python environment /x/.venv is not made yet
               Make it: capstone setup
! CPU          Old CPU; without AVX2, AVX512-VNNI, AVX512-BF16, AMX
               torch is slow on it, and int8 models may be slower than the originals
✓ CPUs         2 of 2 usable
! GPU          Driver/library version mismatch
               Mend its driver to use it; everything runs on the CPU without
! Memory       64.0 GB, 1.00 GB free
               Tasks may be killed for want of it: close other programs, or train with a smaller --batch-size
✗ Workspace    /w cannot be written
               Change its permissions, or choose another: --workspace FOLDER
! Cache        /c, 0 B free
               Free some space, or choose another: XDG_CACHE_HOME=/path/to/folder
! Environment  /x/.venv, 4.00 GB free
               capstone setup needs 5.20 GB there, with --torch cpu 1.00 GB
! Data set     data set dogs: /w/data/dogs has no folder test
               Add it.
✓ Caches       empty
! Runs         1 run; interrupted: 20261124T034500Z-red
               To go on with the last: capstone run --resume 20261124T034500Z-red

Not ready: 3 problems to mend first, with 7 warnings.
`);
});

const check = (facts: Partial<Facts>, id: string): Check | undefined =>
  examine({ ...GOOD, ...facts }).find((one) => one.id === id);

test('packages that were exchanged after the set-up', () => {
  const { interpreter } = GOOD.python as Extract<Facts['python'], { state: 'usable' }>;
  const installed = { python: '3.11.7', torch: '2.5.1', torchvision: '0.20.1', numpy: '1.26.4' };
  expect(check({ python: { state: 'usable', interpreter, installed } }, 'torch')).toEqual({
    id: 'torch',
    status: 'warning',
    title: 'torch',
    detail:
      'set up with 2.2.2+cpu; torchvision 0.17.2+cpu, numpy 1.26.4, and now it has ' +
      '2.5.1; torchvision 0.20.1, numpy 1.26.4: results would be filed under the wrong versions',
    next: ['Make the environment anew: rm -r /x/.venv && capstone setup'],
  });
});

test('an interpreter that was given', () => {
  const { interpreter } = GOOD.python as Extract<Facts['python'], { state: 'usable' }>;
  const given = { ...interpreter, path: '/opt/python', origin: 'given' } as const;
  expect(check({ python: { state: 'usable', interpreter: given } }, 'python')?.detail).toBe(
    '3.11.7, /opt/python, given by --python or CAPSTONE_PYTHON',
  );
});

const H100 = { name: 'NVIDIA H100', memoryBytes: 85.5e9, driver: '550.54.15' };

test('a GPU, with the build of torch that uses it and with the other', () => {
  const gpus = { state: 'listed', gpus: [H100, H100] } as const;
  const { interpreter } = GOOD.python as Extract<Facts['python'], { state: 'usable' }>;
  const both = 'NVIDIA H100, 85.5 GB, driver 550.54.15; NVIDIA H100, 85.5 GB, driver 550.54.15';
  expect(check({ gpus, python: { state: 'usable', interpreter, variant: 'default' } }, 'gpu')).toMatchObject({
    status: 'ok',
    detail: both,
  });
  expect(check({ gpus }, 'gpu')).toMatchObject({
    status: 'warning',
    detail: `${both}; torch is the CPU build`,
    next: ['To use it: capstone setup --torch default'],
  });
});

test('an ARM CPU', () => {
  expect(check({ cpu: { model: 'Neoverse', isa: ['asimd', 'asimddp'] } }, 'cpu')).toMatchObject({
    status: 'ok',
    detail: 'Neoverse; with NEON (fp32), NEON dot product (fast int8)',
  });
});

test('a CPU of which the system says nothing', () => {
  expect(check({ cpu: { model: 'Intel(R) Core(TM)', isa: [] } }, 'cpu')).toMatchObject({
    status: 'ok',
    detail: 'Intel(R) Core(TM); which vector units it has is not known',
  });
});

test('little room for results is a warning, none a problem', () => {
  const disks = (freeBytes: number) =>
    check({ disks: [{ role: 'workspace', path: '/w', freeBytes, writable: true }] }, 'disk_workspace');
  const next = ['Free some space, or choose another: --workspace FOLDER'];
  expect(disks(1.9e9)).toMatchObject({ status: 'warning', detail: '/w, 1.90 GB free', next });
  expect(disks(99e6)).toMatchObject({ status: 'problem', detail: '/w, 99.0 MB free', next });
});

test('marks tell apart without colour, and colour is added only where it is wanted', () => {
  expect(drawChecks(examine(BAD), { color: true })).toContain('\u001b[31m✗\u001b[39m Node');
  expect(drawn(BAD)).not.toContain('\u001b');
});
