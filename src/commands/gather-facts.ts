/** Looks at this machine and the workspace for `capstone doctor`; what it means is judged elsewhere. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CapstoneError } from '../errors/errors.ts';
import { freeBytes } from '../python/disk-room.ts';
import { environmentPaths, readEnvironment } from '../python/environment.ts';
import type { DatasetFacts, DiskFacts, Facts, PythonFacts } from '../python/facts.ts';
import { findInterpreter, type Interpreter, probe } from '../python/find.ts';
import type { Place } from '../run/gather.ts';
import { listGpus } from '../run/gpus.ts';
import { cpuCounts, cpuIdentity, memory } from '../run/machine.ts';
import { NAMED_DATASETS } from '../spec/names.ts';
import { describeCaches } from '../store/cache.ts';
import { type DatasetSource, describeSource, resolveDataset } from '../store/dataset.ts';
import { cacheRoot } from '../store/paths.ts';
import { canHoldFiles } from '../store/writable.ts';
import { gatherRuns } from './gather-runs.ts';

export async function gatherFacts(place: Place, python?: string): Promise<Facts> {
  const cache = cacheRoot(place.env);
  const [interpreter, gpus] = await Promise.all([pythonFacts(place, python), listGpus(place.env)]);
  return {
    node: { version: process.versions.node, oldest: oldestNode(place.packageRoot) },
    python: interpreter,
    cpu: cpuIdentity(),
    cpus: cpuCounts(),
    gpus,
    memory: memory(),
    disks: [
      diskFacts('workspace', place.workspace),
      diskFacts('cache', cache),
      diskFacts('environment', environmentPaths(place.packageRoot, place.env).folder),
    ],
    datasets: datasetFacts(place),
    caches: describeCaches(cache),
    runs: gatherRuns(place.workspace),
  };
}

/** `20.19` of `>=20.19`. */
function oldestNode(packageRoot: string): string {
  const manifest = readFileSync(join(packageRoot, 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { engines: { node: string } }).engines.node.replace('>=', '');
}

async function pythonFacts({ packageRoot, env }: Place, python?: string): Promise<PythonFacts> {
  try {
    const interpreter = await findInterpreter({
      packageRoot,
      env,
      ...(python === undefined ? {} : { python }),
    });
    if (interpreter.origin === 'given') return { state: 'usable', interpreter };
    const { record } = readEnvironment(environmentPaths(packageRoot, env), packageRoot);
    const installed = await probe(interpreter.path, env);
    return {
      state: 'usable',
      interpreter,
      ...(record === undefined ? {} : { variant: record.variant }),
      ...(sameVersions(interpreter, installed) ? {} : { installed }),
    };
  } catch (error) {
    if (error instanceof CapstoneError) return { state: 'unusable', error };
    throw error;
  }
}

function sameVersions(recorded: Interpreter, installed: Interpreter): boolean {
  return (['python', 'torch', 'torchvision', 'numpy'] as const).every(
    (name) => recorded[name] === installed[name],
  );
}

function diskFacts(role: DiskFacts['role'], path: string): DiskFacts {
  return { role, path, freeBytes: freeBytes(path), writable: canHoldFiles(path) };
}

/** Every set that has a name, and every folder in data/ that is laid out as one. */
function datasetFacts({ workspace, packageRoot }: Place): DatasetFacts[] {
  const dataRoot = join(workspace, 'data');
  const folders = listFolders(dataRoot).filter(
    (name) => existsSync(join(dataRoot, name, 'train')) || existsSync(join(dataRoot, name, 'test')),
  );
  return [...new Set([...NAMED_DATASETS, ...folders])].flatMap((name): DatasetFacts[] => {
    try {
      const source = resolveDataset({ name, dataRoot, packageRoot });
      return [{ state: 'found', name, where: describeSource(source, packageRoot), files: imagesIn(source) }];
    } catch (error) {
      if (!(error instanceof CapstoneError)) throw error;
      // Named by capstone and not by the user: that it is not here is no problem.
      return error.code === 'dataset_missing' ? [] : [{ state: 'unusable', name, error }];
    }
  });
}

function imagesIn({ kind, files }: DatasetSource): number {
  return kind === 'folder' ? files.length : 0;
}

function listFolders(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
    .map((entry) => entry.name)
    .sort();
}
