import { canonicalJson, sha256 } from '../digest.ts';
import { BenchmarkSettings, TrainSettings } from '../spec/job.ts';
import { STEP_RULES } from '../spec/recipe.ts';
import type { BenchmarkTask, CompressTask, Task, TrainTask } from '../spec/task.ts';

/** A digest that is a task key, and not just any string. */
export type TaskKey = string & { readonly __taskKey: never };

/** Versions that decide numerical results, read from the environment without importing anything. */
export interface Software {
  readonly torch: string;
  readonly torchvision: string;
  readonly numpy: string;
  /** Null where it is not installed. */
  readonly onnxruntime: string | null;
  readonly openvino: string | null;
}

export type Keyless = Omit<TrainTask, 'key'> | Omit<CompressTask, 'key'> | Omit<BenchmarkTask, 'key'>;

/**
 * Everything that can change a task's result, and why it can. `py/capstone_worker/keys.py` builds the same
 * object; schema/keys.golden.json holds both to it.
 */
interface Fingerprint {
  /** What is done. */
  readonly step: Task['kind'];
  /** The resolved settings, without output paths: where a file lies changes nothing in it. */
  readonly spec: unknown;
  /** Content of what is read: the key inside a file of ours, else its SHA-256. */
  readonly inputs: unknown;
  /** Sums are split over threads, and floating-point addition is not associative. */
  readonly threads: number;
  /** `x-version` of each step: raised by us when its results change. */
  readonly versions: Record<string, number>;
  /** Kernels differ between releases; a benchmark looks for the best runtime of the original in all of them. */
  readonly software: Partial<Software>;
  /**
   * A latency belongs to a machine; a weight file does not, not even of channels pruned until a latency was reached:
   * it is kept wherever it is taken, and its record says where it was measured.
   */
  readonly cpu?: BenchmarkTask['cpu'];
}

export function taskKey(task: Keyless, software: Software): TaskKey {
  const fingerprint: Fingerprint = {
    step: task.kind,
    spec: task.spec,
    inputs: task.inputs,
    threads: task.threads,
    versions: versionsOf(task),
    software: {
      torch: software.torch,
      torchvision: software.torchvision,
      numpy: software.numpy,
      ...(task.kind === 'benchmark'
        ? { onnxruntime: software.onnxruntime, openvino: software.openvino }
        : {}),
    },
    ...(task.kind === 'benchmark' ? { cpu: task.cpu } : {}),
  };
  return sha256(canonicalJson(fingerprint)) as TaskKey;
}

function versionsOf(task: Keyless): Record<string, number> {
  switch (task.kind) {
    case 'train':
      return { train: versionOf(TrainSettings) };
    case 'compress':
      return Object.fromEntries(task.spec.recipe.steps.map(({ step }) => [step, STEP_RULES[step].version]));
    case 'benchmark':
      return { benchmark: versionOf(BenchmarkSettings) };
  }
}

function versionOf(settings: { meta(): Record<string, unknown> | undefined }): number {
  return settings.meta()?.['x-version'] as number;
}
