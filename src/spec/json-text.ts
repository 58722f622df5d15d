/**
 * JSON as somebody wrote it: its value, and where in the text each part of it stands.
 *
 * JSON.parse decides what is JSON and what it means; jsonc-parser, the parser of VS Code, says where. A reader of our
 * own would be the third opinion on what an escape or a number is.
 */
import { createScanner, type Node, type ParseError, parseTree, printParseErrorCode } from 'jsonc-parser';

export type Path = readonly PropertyKey[];

export interface Place {
  /** Both from 1; columns count UTF-16 units, as editors do. */
  readonly line: number;
  readonly column: number;
  /** In UTF-16 units, at least 1; what is longer than its line ends with it. */
  readonly length: number;
  /** The whole line. */
  readonly text: string;
}

/** What is wrong with a text before anybody asks what it means. */
export interface TextProblem {
  readonly path: Path;
  readonly expected: string;
  readonly found: string;
  readonly place: Place;
}

export interface JsonText {
  readonly value: unknown;
  /** Keys that stand twice in one object: JSON.parse takes the last, and its author may have meant the first. */
  readonly duplicates: readonly TextProblem[];
  /** Where the value is; undefined for one that is not there. */
  placeOf(path: Path): Place | undefined;
  /** Where the key of that value is. */
  placeOfKey(path: Path): Place | undefined;
}

export type ParsedText =
  | { readonly ok: true; readonly text: JsonText }
  | { readonly ok: false; readonly problem: TextProblem };

/** Far deeper than a spec goes; the parser calls itself for each level. */
const MAX_DEPTH = 100;
/** Of one spec; who has made more will not read them. */
export const MAX_PROBLEMS = 200;
const SHOWN = 40;

export function parseJson(text: string): ParsedText {
  const deep = firstTooDeep(text);
  if (deep !== undefined) {
    const expected = `at most ${MAX_DEPTH} levels of brackets`;
    return { ok: false, problem: { path: [], expected, found: 'one more', place: placeAt(text, deep, 1) } };
  }
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { disallowComments: true });
  if (errors.length > 0 || root === undefined) return { ok: false, problem: syntaxProblem(text, errors) };
  const place = (node: Node | undefined) => node && placeAt(text, node.offset, node.length);
  return {
    ok: true,
    text: {
      value: JSON.parse(text) as unknown,
      duplicates: firstOf(duplicates(root, [], text), MAX_PROBLEMS),
      placeOf: (path) => place(nodeAt(root, path)),
      placeOfKey(path) {
        const node = nodeAt(root, path);
        return place(node?.parent?.type === 'property' ? node.parent.children?.[0] : node);
      },
    },
  };
}

/** Of keys that stand twice the last, as JSON.parse has it; the library's own search takes the first. */
function nodeAt(root: Node, path: Path): Node | undefined {
  return path.reduce<Node | undefined>((node, part) => {
    if (node?.type === 'array') return node.children?.[Number(part)];
    if (node?.type !== 'object') return undefined;
    return node.children?.findLast(({ children: [key] = [] }) => key?.value === part)?.children?.[1];
  }, root);
}

/** Where `length` characters from `offset` on are in a text. */
export function placeAt(text: string, offset: number, length: number): Place {
  const start = text.lastIndexOf('\n', offset - 1) + 1;
  const newline = text.indexOf('\n', offset);
  const line = text.slice(start, newline < 0 ? undefined : newline).replace(/\r$/, '');
  return {
    line: text.slice(0, start).split('\n').length,
    column: offset - start + 1,
    length: Math.max(1, Math.min(length, start + line.length - offset)),
    text: line,
  };
}

function firstTooDeep(text: string): number | undefined {
  const scanner = createScanner(text, true);
  let depth = 0;
  for (scanner.scan(); scanner.getTokenLength() > 0; scanner.scan()) {
    const first = text.charAt(scanner.getTokenOffset());
    if (first === '{' || first === '[') depth += 1;
    if (first === '}' || first === ']') depth -= 1;
    if (depth > MAX_DEPTH) return scanner.getTokenOffset();
  }
  return undefined;
}

/** The first error alone: those behind it are mostly its echoes. */
function syntaxProblem(text: string, errors: readonly ParseError[]): TextProblem {
  const [first, second] = errors;
  const offset = first?.offset ?? text.length;
  const found = text.slice(offset, offset + Math.max(first?.length ?? 0, 1)).split('\n')[0] ?? '';
  return {
    path: [],
    expected: expectedInstead(nameOf(first), nameOf(second)),
    found: found.trim() === '' ? 'the end of the file' : shorten(found),
    place: placeAt(text, offset, first?.length ?? 0),
  };
}

function nameOf(error: ParseError | undefined): string {
  return error === undefined ? '' : printParseErrorCode(error.error);
}

function expectedInstead(code: string, next: string): string {
  if (code === 'InvalidSymbol') return EXPECTED[next] ?? 'the end of the file';
  return EXPECTED[code] ?? 'a value';
}

/** By the library's names; it knows a symbol that is no token only by what it misses next. */
const EXPECTED: Readonly<Record<string, string>> = {
  PropertyNameExpected: 'a key in double quotes',
  ValueExpected: 'a value',
  ColonExpected: 'a colon',
  CommaExpected: 'a comma',
  CloseBraceExpected: 'a comma or }',
  CloseBracketExpected: 'a comma or ]',
  EndOfFileExpected: 'the end of the file',
  UnexpectedEndOfNumber: 'a number with digits after its "." or "e"',
  UnexpectedEndOfString: 'a closing double quote',
  InvalidUnicode: '\\u and four hexadecimal digits',
  InvalidEscapeCharacter: 'an escape that JSON knows: \\" \\\\ \\/ \\b \\f \\n \\r \\t \\u',
  InvalidCharacter: 'control characters as escapes, such as \\t',
  InvalidCommentToken: 'no comment, which JSON does not have',
  UnexpectedEndOfComment: 'no comment, which JSON does not have',
};

function* duplicates(node: Node, path: Path, text: string): Generator<TextProblem> {
  if (node.type === 'array') {
    for (const [index, item] of (node.children ?? []).entries())
      yield* duplicates(item, [...path, index], text);
    return;
  }
  const seen = new Set<string>();
  for (const { children: [key, value] = [] } of node.type === 'object' ? (node.children ?? []) : []) {
    if (key === undefined || value === undefined) continue;
    const name = String(key.value);
    if (seen.has(name)) {
      yield {
        path: [...path, name],
        expected: 'each key once',
        found: `${shorten(JSON.stringify(name))} again`,
        place: placeAt(text, key.offset, key.length),
      };
    }
    seen.add(name);
    yield* duplicates(value, [...path, name], text);
  }
}

function firstOf<T>(values: Iterable<T>, count: number): T[] {
  const first: T[] = [];
  for (const value of values) {
    if (first.push(value) >= count) break;
  }
  return first;
}

function shorten(text: string): string {
  return text.length > SHOWN ? `${text.slice(0, SHOWN - 3)}...` : text;
}
