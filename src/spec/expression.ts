/**
 * Conditions on rows, as `--where`, `--compare` and `require` take them:
 *
 *     model=resnet18 and level>=3 and (verdict=faster or acc_drop<=0.5)
 *
 * Columns are those of the row schema; `and` binds tighter than `or`. What is unknown in a row matches no comparison,
 * not even `!=`. A parser and nothing that runs text.
 */
import { type Column, columnNamed, ROW_COLUMNS } from './columns.ts';
import { nearest } from './nearest.ts';
import type { ColumnName, Row } from './row.ts';

type Value = string | number | boolean;

const OPERATORS: Readonly<Record<string, (order: number) => boolean>> = {
  '<=': (order) => order <= 0,
  '>=': (order) => order >= 0,
  '!=': (order) => order !== 0,
  '=': (order) => order === 0,
  '<': (order) => order < 0,
  '>': (order) => order > 0,
};

export type Expression =
  | { readonly all: readonly Expression[] }
  | { readonly any: readonly Expression[] }
  | { readonly column: ColumnName; readonly operator: string; readonly value: Value };

/** Where in the text, counted in characters from 0, and what is wrong there: a sentence without its full stop. */
export interface ExpressionProblem {
  readonly at: number;
  readonly message: string;
  readonly nearest?: string;
}

export type ParsedExpression =
  | { readonly ok: true; readonly expression: Expression }
  | { readonly ok: false; readonly problem: ExpressionProblem };

export function parseExpression(text: string): ParsedExpression {
  try {
    return { ok: true, expression: new Parser(text).parse() };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, problem: error.problem };
    throw error;
  }
}

export function matches(expression: Expression, row: Readonly<Partial<Row>>): boolean {
  if ('all' in expression) return expression.all.every((part) => matches(part, row));
  if ('any' in expression) return expression.any.some((part) => matches(part, row));
  const found = row[expression.column] ?? null;
  if (found === null) return false;
  const order = found === expression.value ? 0 : found < expression.value ? -1 : 1;
  return OPERATORS[expression.operator]?.(order) ?? false;
}

/** Every column it names, each once, in the order of the text. */
export function columnsOf(expression: Expression): ColumnName[] {
  if ('column' in expression) return [expression.column];
  const parts = 'all' in expression ? expression.all : expression.any;
  return [...new Set(parts.flatMap(columnsOf))];
}

/** The problem in one line, for a message that shows the text elsewhere. */
export function describeProblem({ message, nearest: guess }: ExpressionProblem): string {
  return `${message}${guess === undefined ? '' : `. Did you mean "${guess}"?`}`;
}

/** The text with a caret under the place, then the problem. */
export function drawExpressionProblem(text: string, problem: ExpressionProblem): string {
  return `${text}\n${' '.repeat(problem.at)}^ ${describeProblem(problem)}`;
}

interface Token {
  readonly kind: 'word' | 'quoted' | 'operator' | 'open' | 'close' | 'end';
  readonly text: string;
  readonly at: number;
}

/** Leaves the parser from any depth; never leaves this file. */
class Refusal extends Error {
  readonly problem: ExpressionProblem;

  constructor(at: number, message: string, guess?: string) {
    super(message);
    this.problem = { at, message, ...(guess === undefined ? {} : { nearest: guess }) };
  }
}

const TOKEN =
  /\s*(?:(?<operator><=|>=|!=|[=<>])|(?<open>\()|(?<close>\))|"(?<double>[^"]*)"|'(?<single>[^']*)'|(?<word>[^\s=<>!()"']+))/y;

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  for (let from = 0; from < end; from = TOKEN.lastIndex) {
    TOKEN.lastIndex = from;
    const match = TOKEN.exec(text);
    if (match === null) {
      const at = from + (text.slice(from).match(/^\s*/)?.[0].length ?? 0);
      const isQuote = text[at] === '"' || text[at] === "'";
      throw new Refusal(at, isQuote ? 'this quote is never closed' : `unexpected "${text[at]}"`);
    }
    const at = from + match[0].search(/\S/);
    const { operator, open, close, double, single, word } = match.groups ?? {};
    if (operator !== undefined) tokens.push({ kind: 'operator', text: operator, at });
    else if (open !== undefined) tokens.push({ kind: 'open', text: open, at });
    else if (close !== undefined) tokens.push({ kind: 'close', text: close, at });
    else if (word !== undefined) tokens.push({ kind: 'word', text: word, at });
    else tokens.push({ kind: 'quoted', text: double ?? single ?? '', at });
  }
  return [...tokens, { kind: 'end', text: '', at: end }];
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(text: string) {
    this.#tokens = tokensOf(text);
  }

  parse(): Expression {
    const expression = this.#any();
    const rest = this.#take();
    if (rest.kind === 'end') return expression;
    const guess = rest.kind === 'word' ? nearest(rest.text, ['and', 'or']) : undefined;
    throw new Refusal(rest.at, `expected "and", "or" or the end, found ${show(rest)}`, guess);
  }

  #any(): Expression {
    const parts = this.#joined('or', () => this.#all());
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { any: parts };
  }

  #all(): Expression {
    const parts = this.#joined('and', () => this.#one());
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : { all: parts };
  }

  #joined(word: string, part: () => Expression): Expression[] {
    const parts = [part()];
    while (this.#peek().kind === 'word' && this.#peek().text.toLowerCase() === word) {
      this.#take();
      parts.push(part());
    }
    return parts;
  }

  #one(): Expression {
    const first = this.#take();
    if (first.kind === 'open') {
      const inside = this.#any();
      const close = this.#take();
      if (close.kind !== 'close') throw new Refusal(close.at, `expected ")", found ${show(close)}`);
      return inside;
    }
    const column = columnAt(first);
    const operator = this.#take();
    if (operator.kind !== 'operator') {
      throw new Refusal(operator.at, `expected one of = != < <= > >=, found ${show(operator)}`);
    }
    if (column.kind === 'flag' && operator.text !== '=' && operator.text !== '!=') {
      throw new Refusal(operator.at, `${column.name} is true or false: compare it with = or !=`);
    }
    return { column: column.name, operator: operator.text, value: valueFor(column, this.#take()) };
  }

  #peek(): Token {
    return this.#tokens[this.#next] ?? END;
  }

  #take(): Token {
    const token = this.#peek();
    if (token.kind !== 'end') this.#next += 1;
    return token;
  }
}

const END: Token = { kind: 'end', text: '', at: 0 };

function columnAt(token: Token): Column {
  if (token.kind !== 'word') throw new Refusal(token.at, `expected a column, found ${show(token)}`);
  const column = columnNamed(token.text);
  if (column !== undefined) return column;
  const names = ROW_COLUMNS.map(({ name }) => name);
  throw new Refusal(token.at, `unknown column "${token.text}"`, nearest(token.text, names));
}

function valueFor(column: Column, token: Token): Value {
  const { name, kind } = column;
  const refuse = (expected: string, guess?: string) =>
    new Refusal(token.at, `${name} is ${expected}, found ${show(token)}`, guess);
  if (token.kind !== 'word' && token.kind !== 'quoted') throw refuse('compared with a value');
  switch (kind) {
    case 'number':
      if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(token.text)) throw refuse('a number');
      return Number(token.text);
    case 'flag':
      if (token.text !== 'true' && token.text !== 'false') throw refuse('true or false');
      return token.text === 'true';
    case 'text':
      if (column.choices !== undefined && !column.choices.includes(token.text)) {
        const choices = column.choices.length === 1 ? `always ${column.choices[0]}` : undefined;
        throw refuse(choices ?? `one of ${column.choices.join(', ')}`, nearest(token.text, column.choices));
      }
      return token.text;
  }
}

function show(token: Token): string {
  return token.kind === 'end' ? 'nothing more' : `"${token.text}"`;
}
