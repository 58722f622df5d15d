/** Looks at the disk for everything the planner must know. The planner itself sees none of it. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expandJob } from '../plan/expand.ts';
import type { FileFacts, Known } from '../plan/known.ts';
import type { PrecisionRow } from '../plan/precision.ts';
import type { Interpreter } from '../python/find.ts';
import { parseCsv } from '../results/csv.ts';
import type { Job } from '../spec/job.ts';
import type { DataSourceKind } from '../spec/names.ts';
import { needsDataset } from '../spec/recipe.ts';
import { codeDigests } from '../store/code-digest.ts';
import { datasetDigest, resolveDataset } from '../store/dataset.ts';
import { readFailure } from '../store/disk-error.ts';
import { fileDigest } from '../store/file-digest.ts';
import { inspectModel } from '../store/model-record.ts';
import { cacheRoot, workspacePaths } from '../store/paths.ts';
import { cpuIdentity, int8Backend, isaClass, usableCpus } from './machine.ts';
import { readRecipes } from './read-recipe.ts';

export interface Place {
  readonly workspace: string;
  readonly packageRoot: string;
  readonly env: NodeJS.ProcessEnv;
}

/** `onMissing` is called before the slow part, where a file that the job makes is not there. */
export async function gather(
  job: Job,
  place: Place,
  interpreter: Interpreter,
  force: boolean,
  onMissing: () => void = () => {},
): Promise<Known> {
  const paths = workspacePaths(place.workspace);
  const cpu = cpuIdentity();
  const recipes = readRecipes(job, place.packageRoot);
  const names = new Map([...recipes].map(([reference, recipe]) => [reference, recipe.name]));
  const combinations = expandJob(job, place.workspace, names);
  const files = combinations.flatMap((combination) => [
    combination.checkpoint,
    ...combination.artifacts.map((artifact) => artifact.path),
  ]);
  if (job.kind !== 'benchmark' && !files.every(existsSync)) onMissing();
  return {
    workspace: place.workspace,
    software: interpreter,
    cpu,
    isa: isaClass(cpu),
    int8Backend: int8Backend(cpu.isa),
    threads: usableCpus(),
    precisions: readPrecisions(place.packageRoot),
    recipes,
    datasets: readDatasets(job, recipes, place),
    files: await readFacts(new Set(files), place),
    codes: codeDigests(combinations.flatMap(({ code }) => code?.path ?? [])),
    rows: measures(job) && existsSync(paths.rows) ? parseCsv(readFileSync(paths.rows, 'utf8')).rows : [],
    partials: new Set(listFolder(join(paths.checkpoints, '.partial'))),
    partialFolder: paths.partial,
    force,
  };
}

/** A file of rows that cannot be read stops no job that writes none. */
function measures({ kind }: Job): boolean {
  return kind === 'benchmark' || kind === 'sweep';
}

function readPrecisions(packageRoot: string): PrecisionRow[] {
  const table = join(packageRoot, 'py', 'capstone_worker', 'training', 'precision.json');
  return JSON.parse(readFileSync(table, 'utf8')) as PrecisionRow[];
}

function readDatasets(job: Job, recipes: Known['recipes'], place: Place): Known['datasets'] {
  const known = new Map<string, { source: DataSourceKind; root: string; digest: string }>();
  const isNeeded = job.kind !== 'compress' || [...recipes.values()].some(needsDataset);
  for (const entry of isNeeded ? job.datasets : []) {
    const wanted = typeof entry === 'string' ? { name: entry } : entry;
    const source = resolveDataset({
      ...wanted,
      dataRoot: resolve(place.workspace, job.data_root),
      packageRoot: place.packageRoot,
    });
    const digest = datasetDigest(source, cacheRoot(place.env));
    known.set(wanted.name, { source: source.kind, root: source.root, digest });
  }
  return known;
}

async function readFacts(files: ReadonlySet<string>, place: Place): Promise<Map<string, FileFacts>> {
  const facts = new Map<string, FileFacts>();
  await Promise.all(
    [...files].filter(existsSync).map(async (file) => {
      facts.set(file, await factsOf(file, cacheRoot(place.env)));
    }),
  );
  return facts;
}

async function factsOf(file: string, cache: string): Promise<FileFacts> {
  try {
    const content = await inspectModel(file);
    // A folder has no bytes to hash, and who would read it is refused anyway.
    return { sha256: content.unusable === undefined ? await fileDigest(file, cache) : '', ...content };
  } catch (error) {
    throw readFailure(file, error);
  }
}

function listFolder(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}
