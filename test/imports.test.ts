/** Holds src/ to the picture in ARCHITECTURE.md: who may import whom. py/test_imports.py does it for py/. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '..');

/** Reads the fenced block under a heading of ARCHITECTURE.md: `room -> room, room` lines. */
function picture(heading: string): Map<string, Set<string>> {
  const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');
  const block = text.split(heading)[1]?.match(/```text\n([\s\S]*?)```/)?.[1] ?? '';
  const lines = block.trim().split('\n');
  return new Map(
    lines.map((line) => {
      const [from = '', to = ''] = line.split('->').map((part) => part.trim());
      return [
        from,
        new Set(
          to
            .split(',')
            .map((room) => room.trim())
            .filter((room) => room !== ''),
        ),
      ];
    }),
  );
}

function filesBelow(folder: string, extension: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(extension))
    .map((file) => join(folder, file));
}

/** Every import that leaves its room without an arrow for it. */
function violations(
  edges: readonly { file: string; from: string; to: string }[],
  allowed: ReadonlyMap<string, ReadonlySet<string>>,
): string[] {
  return edges
    .filter(({ from, to }) => from !== to && !allowed.get(from)?.has(to))
    .map(({ file, from, to }) => `${file}: ${from} -> ${to}`);
}

test('src/ imports follow the picture', () => {
  const allowed = picture('## Arrows in src/');
  const source = join(root, 'src');
  const roomOf = (file: string) =>
    relative(source, file)
      .split('/')[0]
      ?.replace(/\.(tsx?|mjs)$/, '') ?? '';
  const sources = [...filesBelow(source, '.ts'), ...filesBelow(source, '.tsx')].filter(
    (file) => !/\.test\.tsx?$/.test(file),
  );
  const edges = sources.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map((match) => ({
      file: relative(root, file),
      from: roomOf(file),
      to: roomOf(resolve(dirname(file), match[1] ?? '')),
    })),
  );
  expect(edges.length).toBeGreaterThan(50);
  expect(violations(edges, allowed)).toEqual([]);
  expect([...allowed.keys()].sort()).toEqual([...new Set(sources.map(roomOf))].sort());
});
