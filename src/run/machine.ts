/**
 * What the operating system says of this machine. `py/capstone_worker/measure/cpu.py` follows the same rules, so
 * that both languages put the same CPU into a key.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, freemem, loadavg, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import type { Int8Backend } from '../spec/names.ts';

/** The flags that decide which kernels run; all others are left out, so that a kernel update changes no key. */
const ISA_FLAGS = [
  'amx_bf16',
  'amx_int8',
  'amx_tile',
  'asimd',
  'asimddp',
  'avx',
  'avx2',
  'avx512_bf16',
  'avx512_vnni',
  'avx512bw',
  'avx512f',
  'avx512vl',
  'avx_vnni',
  'bf16',
  'f16c',
  'fma',
  'i8mm',
  'sse4_1',
  'sse4_2',
  'sve',
] as const;

export interface CpuIdentity {
  readonly model: string;
  readonly isa: string[];
}

export function cpuIdentity(): CpuIdentity {
  const cpuinfo = readText('/proc/cpuinfo');
  if (cpuinfo !== undefined) return parseCpuInfo(cpuinfo);
  if (process.platform === 'darwin') {
    const brand = execFileSync('sysctl', ['-n', 'machdep.cpu.brand_string'], { encoding: 'utf8' });
    return { model: collapse(brand) || 'unknown', isa: process.arch === 'arm64' ? ['asimd', 'asimddp'] : [] };
  }
  return { model: 'unknown', isa: [] };
}

export function parseCpuInfo(text: string): CpuIdentity {
  const field = (name: string) => collapse(text.match(new RegExp(`^${name}[ \\t]*:(.*)$`, 'm'))?.[1] ?? '');
  const flags = new Set((field('flags') || field('Features')).split(' '));
  return { model: field('model name') || 'unknown', isa: ISA_FLAGS.filter((flag) => flags.has(flag)) };
}

/** The class under which the precision table keeps its measurements; why Intel's has one of its own: measure/cpu.py. */
export function isaClass({ model, isa }: CpuIdentity): string {
  if (isa.includes('amx_tile')) return 'amx';
  if (isa.includes('avx512_bf16')) return model.startsWith('Intel') ? 'avx512_bf16_intel' : 'avx512_bf16';
  if (isa.includes('avx512_vnni')) return 'avx512_vnni';
  if (isa.includes('avx512f')) return 'avx512';
  if (isa.includes('avx2')) return 'avx2';
  return isa.includes('asimd') ? 'neon' : 'other';
}

/** Whose int8 kernels this machine has; the same rule as py/capstone_worker/measure/cpu.py, which says why. */
export function int8Backend(isa: readonly string[], arch: string = process.arch): Int8Backend {
  if (arch !== 'x64' && arch !== 'ia32') return 'qnnpack';
  return isa.includes('avx512_vnni') ? 'x86_vnni' : 'x86';
}

/** CPUs this process may use: its affinity, capped by the quota of its cgroup and of every group above it. */
export function usableCpus(): number {
  const { affinity, quota } = cpuCounts();
  return Math.min(affinity, quota);
}

export interface CpuCounts {
  /** Those of the machine that are online. */
  readonly machine: number;
  /** Those this process may run on. */
  readonly affinity: number;
  /** As many as its cgroups give it time for; Infinity where none sets a limit. */
  readonly quota: number;
}

export function cpuCounts(): CpuCounts {
  const affinity = affinityCount() ?? availableParallelism();
  return { machine: Math.max(cpus().length, affinity), affinity, quota: cgroupCap() };
}

/** What chooses the clock of each CPU, each name once; empty where the system does not say, as in most VMs. */
export function governors(): string[] {
  const folder = '/sys/devices/system/cpu';
  const found = listFolder(folder)
    .filter((name) => /^cpu\d+$/.test(name))
    .map((name) => readText(join(folder, name, 'cpufreq', 'scaling_governor'))?.trim());
  return [...new Set(found.filter((name) => name !== undefined))].sort();
}

/** What a run writes down of the machine it begins on. */
export function describeMachine(): object {
  const { machine, affinity, quota } = cpuCounts();
  const { totalBytes, freeBytes, limitBytes } = memory();
  return {
    cpu: cpuIdentity(),
    cpus: { machine, affinity, cgroup_limit: Number.isFinite(quota) ? quota : null },
    smt: readText('/sys/devices/system/cpu/smt/active')?.trim() === '1',
    governors: governors(),
    memory: { total_bytes: totalBytes, free_bytes: freeBytes, cgroup_limit_bytes: limitBytes ?? null },
    load_average: loadavg()[0],
  };
}

export interface Memory {
  readonly totalBytes: number;
  readonly freeBytes: number;
  /** What the cgroups of this process allow it; undefined where that is all. */
  readonly limitBytes?: number;
}

export function memory(): Memory {
  const totalBytes = totalmem();
  const limit = process.constrainedMemory(); // 0, or a number beyond all memory, where there is none
  return {
    totalBytes,
    freeBytes: freemem(),
    ...(limit > 0 && limit < totalBytes ? { limitBytes: limit } : {}),
  };
}

/** From the kernel's own list: what libuv counts already knows some quotas, and rounds them differently. */
function affinityCount(): number | undefined {
  const list = readText('/proc/self/status')?.match(/^Cpus_allowed_list:\s*(\S+)$/m)?.[1];
  if (list === undefined) return undefined;
  return list.split(',').reduce((sum, range) => {
    const [first, last] = range.split('-').map(Number);
    return sum + ((last ?? first ?? 0) - (first ?? 0) + 1);
  }, 0);
}

function cgroupCap(): number {
  const groups = readText('/proc/self/cgroup') ?? '';
  const unified = groups.match(/^0::(.*)$/m)?.[1];
  const caps: number[] = [];
  if (unified !== undefined) {
    for (
      let folder = join('/sys/fs/cgroup', unified);
      folder.startsWith('/sys/fs/cgroup');
      folder = dirname(folder)
    ) {
      const cap = parseCpuMax(readText(join(folder, 'cpu.max')) ?? '');
      if (cap !== undefined) caps.push(cap);
    }
  }
  const quota = Number(readText('/sys/fs/cgroup/cpu/cpu.cfs_quota_us') ?? -1);
  const period = Number(readText('/sys/fs/cgroup/cpu/cpu.cfs_period_us') ?? 0);
  if (quota > 0 && period > 0) caps.push(Math.max(1, Math.floor(quota / period)));
  return Math.min(Number.POSITIVE_INFINITY, ...caps);
}

/** `max 100000` caps nothing; `150000 100000` caps at 1. */
export function parseCpuMax(text: string): number | undefined {
  const match = text.match(/^(\d+) (\d+)/);
  return match === null ? undefined : Math.max(1, Math.floor(Number(match[1]) / Number(match[2])));
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function listFolder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function collapse(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
