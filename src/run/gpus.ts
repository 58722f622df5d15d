/** The GPUs of this machine, as NVIDIA's own program lists them: torch would take seconds to say the same. */
import { execa } from 'execa';

export interface Gpu {
  readonly name: string;
  readonly memoryBytes: number;
  readonly driver: string;
}

export type Gpus =
  | { readonly state: 'listed'; readonly gpus: readonly Gpu[] }
  /** There is a driver and it does not answer. */
  | { readonly state: 'silent'; readonly message: string };

/** A driver that has to load first takes seconds; more than this nobody waits for. */
const PATIENCE_MS = 1500;
const MIB = 2 ** 20;

export async function listGpus(env: NodeJS.ProcessEnv): Promise<Gpus> {
  const { failed, code, timedOut, stdout, stderr, shortMessage } = await execa(
    'nvidia-smi',
    ['--query-gpu=name,memory.total,driver_version', '--format=csv,noheader,nounits'],
    { reject: false, env, extendEnv: false, timeout: PATIENCE_MS },
  );
  if (code === 'ENOENT') return { state: 'listed', gpus: [] };
  if (timedOut) return { state: 'silent', message: `nvidia-smi gave no answer in ${PATIENCE_MS / 1000} s` };
  if (failed) return { state: 'silent', message: firstLine(`${stdout}\n${stderr}`) || (shortMessage ?? '') };
  return { state: 'listed', gpus: parseGpus(stdout) };
}

/** `NVIDIA A100-SXM4-40GB, 40960, 535.104.05`, one a line; memory in MiB. */
export function parseGpus(csv: string): Gpu[] {
  return csv
    .split('\n')
    .map((line) => line.split(',').map((field) => field.trim()))
    .filter((fields) => fields.length === 3)
    .map(([name = '', mebibytes = '', driver = '']) => ({
      name,
      memoryBytes: Number(mebibytes) * MIB,
      driver,
    }));
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
