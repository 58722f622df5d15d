/**
 * Facts about this machine in, judgements out: what is there, what is missing, what to do. Pure; the command
 * gathers the facts, from rooms that this one does not know.
 */
import { formatBytes, formatCount } from '../units.ts';
import type { DatasetFacts, DiskFacts, Facts, PythonFacts } from './facts.ts';
import type { Interpreter } from './find.ts';
import { ENVIRONMENT_BYTES } from './lock-files.ts';

export interface Check {
  /** Permanent name, snake_case; of several alike with what tells them apart: `disk_workspace`, `dataset_cifar10`. */
  readonly id: string;
  /** `problem`: no job can run before it is mended. `warning`: one can, and may fail or be slow. */
  readonly status: 'ok' | 'warning' | 'problem';
  readonly title: string;
  readonly detail: string;
  /** What to do, one thing each. */
  readonly next: readonly string[];
}

/** A ViT-B/16 has 343 MB of weights, and its training state is kept twice, with as much of momentum. */
const LITTLE_DISK_BYTES = 2e9;
const NO_DISK_BYTES = 100e6;
/** torch and torchvision alone take 0.4 GB in the host, and each task has tensors of its own beside them. */
const LITTLE_MEMORY_BYTES = 2e9;

export function examine(facts: Facts): Check[] {
  return [
    node(facts.node),
    ...python(facts.python),
    cpu(facts.cpu),
    cpus(facts.cpus),
    gpu(facts),
    memory(facts.memory),
    ...facts.disks.map((one) => disk(one, facts.python)),
    ...facts.datasets.map(dataset),
    caches(facts.caches),
    runs(facts.runs),
  ];
}

/** Whether a job could run. */
export function isReady(checks: readonly Check[]): boolean {
  return checks.every(({ status }) => status !== 'problem');
}

function ok(id: string, title: string, detail: string): Check {
  return { id, status: 'ok', title, detail, next: [] };
}

function warning(id: string, title: string, detail: string, ...next: string[]): Check {
  return { id, status: 'warning', title, detail, next };
}

function problem(id: string, title: string, detail: string, ...next: string[]): Check {
  return { id, status: 'problem', title, detail, next };
}

function node({ version, oldest }: Facts['node']): Check {
  if (version.localeCompare(oldest, 'en', { numeric: true }) >= 0) return ok('node', 'Node', version);
  return problem(
    'node',
    'Node',
    `${version}, and ${oldest} is the oldest that works`,
    `Install Node ${oldest} or newer`,
  );
}

function python(facts: PythonFacts): Check[] {
  if (facts.state === 'unusable') {
    return [problem('python', 'Python', facts.error.message, ...facts.error.next)];
  }
  const { interpreter, variant, installed } = facts;
  const { path, origin } = interpreter;
  const whose = origin === 'managed' ? 'made by capstone setup' : 'given by --python or CAPSTONE_PYTHON';
  const build = variant === 'cpu' ? ', CPU build' : '';
  return [
    ok('python', 'Python', `${interpreter.python}, ${path}, ${whose}`),
    installed === undefined
      ? ok('torch', 'torch', versions(interpreter, build))
      : warning(
          'torch',
          'torch',
          `set up with ${versions(interpreter)}, and now it has ${versions(installed)}: ` +
            'results would be filed under the wrong versions',
          `Make the environment anew: rm -r ${environmentOf(path)} && capstone setup`,
        ),
    runtimes(interpreter),
  ];
}

/** Only a job that names one needs it; the best of an original is looked for in those that are there. */
function runtimes({ path, onnxruntime, openvino }: Interpreter): Check {
  const all = { onnxruntime, openvino };
  const shown = Object.entries(all).map(([name, version]) =>
    version === null ? `no ${name}` : `${name} ${version}`,
  );
  const missing = Object.entries(all)
    .filter(([, version]) => version === null)
    .map(([name]) => name);
  return missing.length === 0
    ? ok('runtimes', 'Runtimes', shown.join(', '))
    : warning(
        'runtimes',
        'Runtimes',
        `${shown.join(', ')}: originals may be faster than best_original_latency_ms will say`,
        `Install them there: ${path} -m pip install onnx ${missing.join(' ')}`,
      );
}

function versions(
  { torch, torchvision, numpy }: { torch: string; torchvision: string; numpy: string },
  build = '',
): string {
  return `${torch}${build}; torchvision ${torchvision}, numpy ${numpy}`;
}

/** The folder of the environment from its bin/python. */
function environmentOf(python: string): string {
  return python.replace(/\/bin\/python$/, '');
}

/** What each capability means here; the kernels of torch choose by them. */
const CAPABILITIES = [
  { flag: 'avx2', name: 'AVX2', means: 'fp32' },
  { flag: 'avx512_vnni', name: 'AVX512-VNNI', means: 'fast int8' },
  { flag: 'avx512_bf16', name: 'AVX512-BF16', means: 'fast bf16' },
  { flag: 'amx_tile', name: 'AMX', means: 'fastest int8 and bf16' },
  { flag: 'asimd', name: 'NEON', means: 'fp32' },
  { flag: 'asimddp', name: 'NEON dot product', means: 'fast int8' },
] as const;

function cpu({ model, isa }: Facts['cpu']): Check {
  // Some systems do not say: nothing follows from that.
  if (isa.length === 0) return ok('cpu', 'CPU', `${model}; which vector units it has is not known`);
  const arm = isa.includes('asimd');
  const own = CAPABILITIES.filter(({ flag }) => flag.startsWith('asimd') === arm);
  const has = own.filter(({ flag }) => isa.includes(flag)).map(({ name, means }) => `${name} (${means})`);
  const lacks = own.filter(({ flag }) => !isa.includes(flag)).map(({ name }) => name);
  const detail = [
    model,
    ...(has.length === 0 ? [] : [`with ${has.join(', ')}`]),
    ...(lacks.length === 0 ? [] : [`without ${lacks.join(', ')}`]),
  ].join('; ');
  if (arm || isa.includes('avx2')) return ok('cpu', 'CPU', detail);
  return warning(
    'cpu',
    'CPU',
    detail,
    'torch is slow on it, and int8 models may be slower than the originals',
  );
}

function cpus({ machine, affinity, quota }: Facts['cpus']): Check {
  const usable = Math.min(affinity, quota);
  const limits = [
    ...(affinity < machine ? [`bound to ${affinity} of them`] : []),
    ...(quota < affinity ? [`a cgroup quota of ${quota}`] : []),
  ];
  const why = limits.length === 0 ? '' : `: ${limits.join(', ')}`;
  return ok('cpus', 'CPUs', `${usable} of ${machine} usable${why}`);
}

function gpu({ gpus: facts, python }: Facts): Check {
  if (facts.state === 'silent') {
    return warning(
      'gpu',
      'GPU',
      facts.message,
      'Mend its driver to use it; everything runs on the CPU without',
    );
  }
  if (facts.gpus.length === 0) return ok('gpu', 'GPU', 'none from NVIDIA; everything runs on the CPU');
  const detail = facts.gpus
    .map(({ name, memoryBytes, driver }) => `${name}, ${formatBytes(memoryBytes)}, driver ${driver}`)
    .join('; ');
  if (python.state === 'usable' && python.variant === 'cpu') {
    return warning(
      'gpu',
      'GPU',
      `${detail}; torch is the CPU build`,
      'To use it: capstone setup --torch default',
    );
  }
  return ok('gpu', 'GPU', detail);
}

function memory({ totalBytes, freeBytes, limitBytes }: Facts['memory']): Check {
  const limit = limitBytes === undefined ? '' : `, of which a cgroup allows ${formatBytes(limitBytes)}`;
  const detail = `${formatBytes(totalBytes)}${limit}, ${formatBytes(freeBytes)} free`;
  if (Math.min(limitBytes ?? totalBytes, freeBytes) >= LITTLE_MEMORY_BYTES)
    return ok('memory', 'Memory', detail);
  return warning(
    'memory',
    'Memory',
    detail,
    'Tasks may be killed for want of it: close other programs, or train with a smaller --batch-size',
  );
}

function disk({ role, path, freeBytes, writable }: DiskFacts, python: PythonFacts): Check {
  const id = `disk_${role}`;
  const detail = `${path}, ${formatBytes(freeBytes)} free`;
  switch (role) {
    case 'workspace':
      return room(
        problem,
        id,
        'Workspace',
        { path, freeBytes, writable },
        'choose another: --workspace FOLDER',
      );
    case 'cache':
      return room(
        warning,
        id,
        'Cache',
        { path, freeBytes, writable },
        'choose another: XDG_CACHE_HOME=/path/to/folder',
      );
    case 'environment':
      // Once it is made it is only read.
      if (python.state === 'usable' || freeBytes >= ENVIRONMENT_BYTES.cuda)
        return ok(id, 'Environment', detail);
      return warning(
        id,
        'Environment',
        detail,
        `capstone setup needs ${formatBytes(ENVIRONMENT_BYTES.cuda)} there, with --torch cpu ${formatBytes(ENVIRONMENT_BYTES.cpu)}`,
      );
  }
}

function room(
  worst: typeof problem,
  id: string,
  title: string,
  { path, freeBytes, writable }: Omit<DiskFacts, 'role'>,
  elsewhere: string,
): Check {
  const detail = `${path}, ${formatBytes(freeBytes)} free`;
  if (!writable)
    return worst(id, title, `${path} cannot be written`, `Change its permissions, or ${elsewhere}`);
  if (freeBytes < NO_DISK_BYTES) return worst(id, title, detail, `Free some space, or ${elsewhere}`);
  if (freeBytes < LITTLE_DISK_BYTES) return warning(id, title, detail, `Free some space, or ${elsewhere}`);
  return ok(id, title, detail);
}

function dataset(facts: DatasetFacts): Check {
  const id = `dataset_${facts.name}`;
  if (facts.state === 'unusable') return warning(id, 'Data set', facts.error.message, ...facts.error.next);
  const { name, where, files } = facts;
  const count = files === 0 ? '' : `, ${formatCount(files)} images`;
  return ok(id, 'Data set', `${name}: ${where}${count}`);
}

function caches(facts: Facts['caches']): Check {
  const used = facts.filter(({ bytes }) => bytes > 0);
  if (used.length === 0) return ok('caches', 'Caches', 'empty');
  const total = used.reduce((sum, { bytes }) => sum + bytes, 0);
  const each = used.map(({ name, bytes, entries }) => `${name} ${formatBytes(bytes)} in ${entries}`);
  return ok('caches', 'Caches', `${formatBytes(total)}: ${each.join(', ')}`);
}

function runs({ total, running, interrupted }: Facts['runs']): Check {
  const detail = [
    total === 1 ? '1 run' : `${total} runs`,
    ...(running.length === 0 ? [] : [`running: ${running.join(', ')}`]),
    ...(interrupted.length === 0 ? [] : [`interrupted: ${interrupted.join(', ')}`]),
  ].join('; ');
  if (interrupted.length === 0) return ok('runs', 'Runs', detail);
  return warning(
    'runs',
    'Runs',
    detail,
    `To go on with the last: capstone run --resume ${interrupted.at(-1)}`,
  );
}
