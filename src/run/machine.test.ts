import { expect, test } from 'vitest';
import { cpuIdentity, describeMachine, int8Backend, isaClass, parseCpuInfo, parseCpuMax } from './machine.ts';

test('model and flags of an x86 CPU, spaces collapsed, unknown flags left out', () => {
  const text =
    'processor\t: 0\nmodel name\t: Some  CPU @ 2.0GHz \nflags\t\t: fpu avx2 amx_tile avx512f sse4_1 vaes\n';
  expect(parseCpuInfo(text)).toEqual({
    model: 'Some CPU @ 2.0GHz',
    isa: ['amx_tile', 'avx2', 'avx512f', 'sse4_1'],
  });
});

test('an ARM CPU names its features otherwise and may have no model name', () => {
  expect(parseCpuInfo('processor\t: 0\nFeatures\t: fp asimd asimddp\n')).toEqual({
    model: 'unknown',
    isa: ['asimd', 'asimddp'],
  });
});

test.each([
  ['Intel(R) Xeon(R) Processor', ['amx_tile', 'avx512_bf16', 'avx512_vnni'], 'amx'],
  ['Intel(R) Xeon(R) Processor', ['avx512_bf16', 'avx512_vnni', 'avx512f'], 'avx512_bf16_intel'],
  ['AMD EPYC 9B14', ['avx512_bf16', 'avx512_vnni', 'avx512f'], 'avx512_bf16'],
  ['Intel(R) Xeon(R) Processor', ['avx2', 'avx512_vnni', 'avx512f'], 'avx512_vnni'],
  ['unknown', ['avx2', 'avx512f'], 'avx512'],
  ['unknown', ['avx2'], 'avx2'],
  ['unknown', ['asimd'], 'neon'],
  ['unknown', [], 'other'],
])('the class of %s with %j is %s', (model, isa, expected) => {
  expect(isaClass({ model, isa })).toBe(expected);
});

test.each([
  ['x64', ['avx512_vnni'], 'x86_vnni'],
  ['x64', ['avx2', 'avx_vnni'], 'x86'],
  ['arm64', ['asimd'], 'qnnpack'],
])('int8 kernels of %s with %j are those of %s', (arch, isa, expected) => {
  expect(int8Backend(isa, arch)).toBe(expected);
});

test.each([
  ['max 100000\n', undefined],
  ['200000 100000\n', 2],
  ['150000 100000\n', 1],
  ['50000 100000\n', 1],
  ['', undefined],
])('cpu.max %j caps at %s', (text, expected) => {
  expect(parseCpuMax(text)).toBe(expected);
});

test('what a run writes down of this machine', () => {
  expect(describeMachine()).toEqual({
    cpu: cpuIdentity(),
    cpus: {
      machine: expect.any(Number),
      affinity: expect.any(Number),
      cgroup_limit: expect.toSatisfy(isLimit),
    },
    smt: expect.any(Boolean),
    governors: expect.any(Array),
    memory: {
      total_bytes: expect.any(Number),
      free_bytes: expect.any(Number),
      cgroup_limit_bytes: expect.toSatisfy(isLimit),
    },
    load_average: expect.any(Number),
  });
});

function isLimit(value: unknown): boolean {
  return value === null || (typeof value === 'number' && value > 0);
}
