/** docs/events.md, from the schema of an event. */
import { code, GENERATED, page, table } from './markdown.ts';
import { meaning, type Property, resolved, typeInWords } from './property.ts';

type Key = [name: string, property: Property];

export function eventsPage(event: Property): string {
  const sources = resolved(event).anyOf ?? [];
  const members = sources.flatMap((source) => source.oneOf ?? []);
  const common = commonKeys(members);
  return page(
    GENERATED,
    '# Events',
    'Protocol 1: one JSON object a line. `capstone run … --json` prints them on stdout while they happen, and ' +
      '`runs/<id>/events.ndjson` keeps them. A line of that file carries two keys more: `run`, the id of the run, and ' +
      '`run_seq`, which counts its events from 1 without gaps. A last line without its end is still being written.',
    '## In every event',
    keyTable(common),
    ...sources.flatMap((source) => sourceSections(source, common)),
  );
}

function sourceSections(source: Property, common: readonly Key[]): string[] {
  const members = source.oneOf ?? [];
  const isKnown = (keys: readonly Key[], name: string) => keys.some(([key]) => key === name);
  const shared = commonKeys(members).filter(([name]) => !isKnown(common, name));
  return [
    `## ${source.title}`,
    source.description ?? '',
    shared.length === 0 ? '' : `In each of them:\n\n${keyTable(shared)}`,
    ...members.flatMap((member) => section(member, (name) => isKnown([...common, ...shared], name))),
  ];
}

/** What every one of them has, but for the type that tells them apart. */
function commonKeys(members: readonly Property[]): Key[] {
  return Object.entries(members[0]?.properties ?? {}).filter(
    ([name]) => name !== 'type' && members.every((member) => member.properties?.[name] !== undefined),
  );
}

function section(member: Property, isShared: (name: string) => boolean): string[] {
  const own = Object.entries(member.properties ?? {}).filter(([name]) => name !== 'type' && !isShared(name));
  return [
    `### ${code(String(member.properties?.['type']?.const))}`,
    member.description ?? '',
    own.length === 0 ? '' : keyTable(own),
  ];
}

function keyTable(keys: readonly Key[]): string {
  return table(
    ['Key', 'Type', 'Meaning'],
    keys.map(([name, property]) => [code(name), typeInWords(property), meaning(property)]),
  );
}
