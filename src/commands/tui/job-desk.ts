/** The form of a job: its fields are the flags of its kind, which the schemas make; so are its checks. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { CapstoneError } from '../../errors/errors.ts';
import type { SpecProblem } from '../../spec/check.ts';
import { checkJob } from '../../spec/check-job.ts';
import { JOB_SCHEMAS, type JobKind } from '../../spec/job.ts';
import { runPaths } from '../../store/paths.ts';
import type { JobDesk, JobDraft, JobForm } from '../../tui/run-source.ts';
import { checkFlags, readJobFile } from '../job-file.ts';
import { flagAt, flagsOfJob, jobFields, jobFromFlags } from '../job-flags.ts';

const KINDS = Object.keys(JOB_SCHEMAS) as readonly JobKind[];

/** Keys of a job whose values may be paths, or hold some. */
const NAMES_FILES = ['models', 'datasets', 'data_root', 'recipes', 'output'];

function jobText(raw: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify(raw, null, 2)}\n`;
}

function isKind(kind: string): kind is JobKind {
  return KINDS.some((known) => known === kind);
}

export function jobDesk(workspace: string, cwd: string): JobDesk {
  // Drawn at every frame: put together again only where something was typed.
  let last: { readonly key: string; readonly draft: JobDraft } | undefined;
  return {
    kinds: KINDS,
    fields: (kind) => (isKind(kind) ? jobFields(kind) : []),
    draft(job) {
      const key = JSON.stringify(job);
      if (last?.key !== key) last = { key, draft: draftOf(job, cwd) };
      return last.draft;
    },
    textFor(job, path) {
      const { text } = draftOf(job, cwd);
      if (dirname(resolve(cwd, path)) === cwd) return text;
      const raw = JSON.parse(text) as Record<string, unknown>;
      const absolute: Readonly<Record<string, unknown>> = { ...checkFlags(raw, cwd) };
      const there = NAMES_FILES.filter((key) => key in raw).map((key) => [key, absolute[key]]);
      return jobText({ ...raw, ...Object.fromEntries(there) });
    },
    template(run) {
      const job = readJob(runPaths(workspace, run).job);
      const { kind } = job;
      if (typeof kind !== 'string' || !isKind(kind)) return undefined;
      const { values, lost } = flagsOfJob(kind, job);
      return { job: { kind, values }, lost };
    },
    templateFile(path) {
      try {
        const job = readJobFile(resolve(cwd, path), path);
        const { values, lost } = flagsOfJob(job.kind, job);
        return { job: { kind: job.kind, values }, lost };
      } catch (error) {
        if (error instanceof CapstoneError) return { refusal: error.message };
        throw error;
      }
    },
  };
}

/** Empty where it was never written, or is no JSON. */
function readJob(file: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  } catch {
    return {};
  }
}

function draftOf({ kind, values: typed }: JobForm, cwd: string): JobDraft {
  if (!isKind(kind)) return { text: '', command: '', problems: [{ flag: null, message: `no kind ${kind}` }] };
  // In the order of the form; what was typed for another kind waits until that comes back.
  const given = jobFields(kind).flatMap(({ flag, choices }) => {
    const value = typed[flag];
    return value === undefined ? [] : [{ flag, value, isSwitch: choices.join() === 'false,true' }];
  });
  const values = Object.fromEntries(given.map(({ flag, value }) => [flag, value]));
  const words = given.flatMap(({ flag, value, isSwitch }) => (isSwitch ? [flag] : [flag, shellWord(value)]));
  const command = ['capstone', kind, ...words].join(' ');
  try {
    const raw = jobFromFlags(kind, values);
    const checked = checkJob([
      { name: 'job', folder: cwd, value: raw, flagAt: (path) => flagAt(kind, path) },
    ]);
    const problems = checked.ok
      ? []
      : checked.problems.map((problem) => ({
          flag: problem.source.startsWith('--') ? problem.source : null,
          message: sentence(problem),
        }));
    return { text: jobText(raw), command, problems };
  } catch (error) {
    if (!(error instanceof CapstoneError)) throw error;
    const flag = error.message.match(/^(--[a-z-]+):/)?.[1] ?? null;
    return { text: '', command, problems: [{ flag, message: error.message }] };
  }
}

/** What is wrong first, and what to type instead: a list of all that is known may be cut. */
function sentence({ source, path, expected, found, nearest }: SpecProblem): string {
  const guess = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
  return `${path || source}: found ${found}.${guess} Expected ${expected}`;
}

function shellWord(value: string): string {
  return /^[\w./,:=-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
}
