/** A form for a job: one field for each flag of its kind, the job file and the command beside it as they change. */
import { printable } from '../../results/printable.ts';
import { formatDuration } from '../../units.ts';
import { type Binding, moves } from '../keymap.ts';
import { beside, cell, fitLine, type Line, line, windowOf, wrap } from '../line.ts';
import type { Change, Frame, Model, Prompt } from '../model.ts';
import type { JobDesk, JobField, JobOutlook, JobTemplate } from '../run-source.ts';

export interface JobState {
  readonly screen: 'job';
  readonly kind: string;
  /** What was typed, by flag; what is not here has its default. */
  readonly values: Readonly<Record<string, string>>;
  readonly at: number;
}

export function newJob(kind: string, values: Readonly<Record<string, string>>): JobState {
  return { screen: 'job', kind, values, at: 0 };
}

/** The kind, and then a field for each flag. */
function fieldsOf(state: JobState, desk: JobDesk): readonly JobField[] {
  const kind: JobField = {
    flag: 'kind',
    label: 'kind',
    description: 'What is asked for: the fields below follow from it.',
    default: 'sweep',
    choices: desk.kinds,
    several: false,
  };
  return [kind, ...desk.fields(state.kind)];
}

function shownValue({ kind, values }: JobState, field: JobField): string {
  return field.flag === 'kind' ? kind : (values[field.flag] ?? field.default);
}

/** A value that is the default is none of the job's. */
export function withValue(state: JobState, field: JobField, value: string): JobState {
  if (field.flag === 'kind') return { ...newJob(value, {}), values: state.values };
  const { [field.flag]: _before, ...others } = state.values;
  return {
    ...state,
    values: value === field.default || value.trim() === '' ? others : { ...others, [field.flag]: value },
  };
}

/** Keys of a form whose fields come from this desk. */
export function jobKeys(desk: JobDesk): readonly Binding<JobState>[] {
  const fieldAt = (state: JobState) => fieldsOf(state, desk)[state.at];
  const turned = (state: JobState, by: number): Change => {
    const field = fieldAt(state);
    if (field === undefined) return {};
    const { choices, several } = field;
    if (choices.length === 0 || several) return edited(state);
    const next = (choices.indexOf(shownValue(state, field)) + by + choices.length) % choices.length;
    return { state: withValue(state, field, choices[next] ?? '') };
  };
  const edited = (state: JobState): Change => {
    const field = fieldAt(state);
    if (field === undefined) return {};
    if (field.choices.length > 0 && !field.several) {
      return {
        prompt: {
          kind: 'choose',
          title: field.label,
          options: field.choices,
          chosen: Math.max(0, field.choices.indexOf(shownValue(state, field))),
          done: (index) => ({ state: withValue(state, field, field.choices[index] ?? '') }),
        },
      };
    }
    const hint = field.several ? 'several: comma between them' : '';
    return {
      prompt: {
        kind: 'text',
        title: field.label,
        value: shownValue(state, field),
        hint: [hint, field.choices.join(', ')].filter((part) => part !== '').join('; '),
        typed: (value) => ({ state: withValue(state, field, value) }),
        done: (value) => ({ state: withValue(state, field, value) }),
        given: { state },
      },
    };
  };
  const whenValid =
    (act: (state: JobState) => Change) =>
    (state: JobState): Change => {
      const [problem] = desk.draft(state).problems;
      return problem === undefined ? act(state) : { notice: { text: problem.message, tone: 'bad' } };
    };
  return [
    { keys: ['enter'], label: 'change', help: 'change the field', act: edited },
    { keys: ['right'], label: '', help: 'the next choice of the field', act: (state) => turned(state, 1) },
    { keys: ['left'], label: '', help: 'the choice before', act: (state) => turned(state, -1) },
    {
      keys: ['R'],
      label: 'run',
      help: 'run the job',
      act: whenValid(({ kind, values }) => ({ ask: { ask: 'start', job: { kind, values } } })),
    },
    {
      keys: ['w'],
      label: 'save',
      help: 'write the job file',
      act: whenValid((state) => ({
        prompt: {
          kind: 'text',
          title: 'write to',
          value: 'job.json',
          hint: 'a file there is replaced',
          done: (path) => ({ ask: { ask: 'write', path, text: desk.textFor(state, path) } }),
        },
      })),
    },
    {
      keys: ['t'],
      label: 'template',
      help: 'start from a job file, or from the job of a run',
      act(_state, { runs }) {
        const ids = (runs ?? []).map(({ id }) => id);
        return {
          prompt: {
            kind: 'choose',
            title: 'the job of',
            options: [A_FILE, ...ids],
            chosen: 0,
            done(index) {
              const run = ids[index - 1];
              if (run === undefined) return { prompt: fileOfTemplate(desk) };
              const found = desk.template(run);
              return found === undefined ? said('it never wrote its job down') : fromTemplate(found);
            },
          },
        };
      },
    },
    {
      keys: ['backspace', 'u'],
      label: 'default',
      help: 'the field’s default again',
      act(state) {
        const field = fieldAt(state);
        return field === undefined ? {} : { state: withValue(state, field, field.default) };
      },
    },
    ...moves<JobState>(
      'field',
      (state) => ({ at: state.at, count: fieldsOf(state, desk).length }),
      (state, at) => ({ state: { ...state, at } }),
    ),
  ];
}

const A_FILE = 'a file …';
const said = (text: string): Change => ({ notice: { text, tone: 'bad' } });

function fileOfTemplate(desk: JobDesk): Prompt {
  return {
    kind: 'text',
    title: 'job file',
    value: 'job.json',
    hint: '',
    done(path) {
      const found = desk.templateFile(path);
      return 'refusal' in found ? said(found.refusal) : fromTemplate(found);
    },
  };
}

function fromTemplate({ job, lost }: JobTemplate): Change {
  const state = newJob(job.kind, job.values);
  return lost.length === 0 ? { state } : { state, ...said(`no field holds ${lost.join(', ')}: left out`) };
}

const LABEL = 18;

export function drawJob(
  state: JobState,
  { outlook }: Model,
  { columns }: Frame,
  height: number,
  desk: JobDesk,
): Line[] {
  const fields = fieldsOf(state, desk);
  const { text, command, problems } = desk.draft(state);
  const wrong = new Set(problems.map(({ flag }) => flag));
  const width = Math.max(38, Math.floor(columns * 0.5) - 2);
  const about = fields[state.at];
  const said = about === undefined ? [] : wrap(printable(about.description), columns - 2).slice(0, 2);
  const room = height - 3 - said.length;
  const { from, to } = windowOf(fields.length, state.at, room);
  const form = fields.slice(from, to).map((field, index): Line => {
    const isChosen = from + index === state.at;
    const value = shownValue(state, field);
    const isDefault = field.flag !== 'kind' && state.values[field.flag] === undefined;
    const isWrong = wrong.has(field.flag);
    return fitLine(
      [
        { text: isChosen ? '> ' : '  ', tone: 'accent' },
        { text: isWrong ? '✗ ' : '  ', tone: 'bad' },
        { text: cell(field.label, LABEL), tone: isChosen ? 'chosen' : 'plain' },
        { text: '  ' },
        { text: printable(value) || 'none', tone: isWrong ? 'bad' : isDefault ? 'dim' : 'title' },
      ],
      width,
    );
  });
  const right = columns - width - 2;
  const verdict: Line[] =
    problems.length === 0
      ? drawOutlook(outlook, right)
      : problems.flatMap(({ message }) =>
          wrap(printable(`✗ ${message}`), right).map((part) => line(part, 'bad')),
        );
  const preview = [
    ...verdict.slice(0, 6),
    [],
    ...wrap(command, right).map((part) => line(part, 'accent')),
    [],
    ...text
      .trimEnd()
      .split('\n')
      .map((part) => line(printable(part), 'dim')),
  ].slice(0, room);
  return [
    line('New job', 'title'),
    [],
    ...beside(form, preview, width).map((spans) => fitLine(spans, columns)),
    [],
    ...said.map((part) => line(part, 'dim')),
  ];
}

function drawOutlook(outlook: JobOutlook | null, width: number): Line[] {
  const ready = line('✓ ready to run', 'good');
  if (outlook === null) return [ready, line('looking at what is there', 'dim')];
  if ('refusal' in outlook) {
    return wrap(printable(`✗ ${outlook.refusal}`), width).map((part) => line(part, 'bad'));
  }
  const { tasks, upToDate, seconds, untimed } = outlook;
  const total = `${tasks} ${tasks === 1 ? 'task' : 'tasks'}`;
  if (upToDate === tasks) return [line(`✓ everything is up to date: ${total}`, 'good')];
  const counted = `${total}${upToDate === 0 ? '' : `, ${upToDate} up to date`}`;
  const unknown = untimed === 0 ? '' : `, and ${untimed} that never ran`;
  const time =
    seconds === null ? 'time not known: none ran before' : `about ${formatDuration(seconds)}${unknown}`;
  return [ready, ...wrap(`${counted} · ${time}`, width).map((part) => line(part))];
}
