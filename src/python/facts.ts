/** What `capstone doctor` looks at. Gathered by the command, from rooms that this one does not know. */
import type { CapstoneError } from '../errors/errors.ts';
import type { Interpreter } from './find.ts';
import type { Variant } from './lock-files.ts';

export interface Facts {
  readonly node: { readonly version: string; readonly oldest: string };
  readonly python: PythonFacts;
  readonly cpu: { readonly model: string; readonly isa: readonly string[] };
  /** As `CpuCounts` of src/run/machine.ts. */
  readonly cpus: { readonly machine: number; readonly affinity: number; readonly quota: number };
  readonly gpus: GpuFacts;
  readonly memory: { readonly totalBytes: number; readonly freeBytes: number; readonly limitBytes?: number };
  readonly disks: readonly DiskFacts[];
  readonly datasets: readonly DatasetFacts[];
  readonly caches: readonly { readonly name: string; readonly bytes: number; readonly entries: number }[];
  readonly runs: {
    readonly total: number;
    readonly running: readonly string[];
    readonly interrupted: readonly string[];
  };
}

export type PythonFacts =
  | {
      readonly state: 'usable';
      readonly interpreter: Interpreter;
      /** Of the managed environment. */
      readonly variant?: Variant;
      /** What is installed, where that is not what the record of the environment says. */
      readonly installed?: Readonly<Record<'python' | 'torch' | 'torchvision' | 'numpy', string>>;
    }
  | { readonly state: 'unusable'; readonly error: CapstoneError };

export type GpuFacts =
  | {
      readonly state: 'listed';
      readonly gpus: readonly {
        readonly name: string;
        readonly memoryBytes: number;
        readonly driver: string;
      }[];
    }
  | { readonly state: 'silent'; readonly message: string };

export interface DiskFacts {
  readonly role: 'workspace' | 'cache' | 'environment';
  readonly path: string;
  readonly freeBytes: number;
  readonly writable: boolean;
}

export type DatasetFacts =
  | {
      readonly state: 'found';
      readonly name: string;
      /** For a person: its folder, or where else it comes from. */
      readonly where: string;
      /** Images in its folder; 0 where they are not files of their own. */
      readonly files: number;
    }
  | { readonly state: 'unusable'; readonly name: string; readonly error: CapstoneError };
