/** Rows by a condition that a user typed. */
import { UserError } from '../errors/errors.ts';
import { drawExpressionProblem, type Expression, matches, parseExpression } from '../spec/expression.ts';
import { IDENTITY_COLUMNS, type Row } from '../spec/row.ts';
import { compareRows, identityCell, phrases, splitIdentity } from './identity.ts';

const SHOWN = 10;

/** Refuses with a caret under the place. */
export function expressionGiven(text: string, flag: string): Expression {
  const parsed = parseExpression(text);
  if (parsed.ok) return parsed.expression;
  const drawn = drawExpressionProblem(text, parsed.problem).replaceAll('\n', '\n  ');
  throw new UserError('condition_invalid', `${flag} is no condition on a row:\n  ${drawn}`, [
    'For example: model=resnet18 and level>=3 and acc_drop<=0.5',
  ]);
}

/** The one row that meets the condition; refuses none and several, and says which they are. */
export function onlyRow(rows: readonly Row[], text: string, flag: string): Row {
  const expression = expressionGiven(text, flag);
  const found = rows.filter((row) => matches(expression, row)).toSorted(compareRows);
  const [only, second] = found;
  if (only === undefined) {
    throw new UserError('row_missing', `${flag} "${text}" matches none of ${rows.length} rows`, [
      'See them all: capstone results --format md',
    ]);
  }
  if (second === undefined) return only;
  const { varying } = splitIdentity(found);
  const listed = found.slice(0, SHOWN).map((row) => `\n  ${phrases(row, varying).join(' · ')}`);
  const more = found.length > SHOWN ? `\n  and ${found.length - SHOWN} more` : '';
  const narrower = IDENTITY_COLUMNS.find((column) => varying.includes(column)) ?? 'level';
  throw new UserError(
    'row_ambiguous',
    `${flag} "${text}" matches ${found.length} rows, not one:${listed.join('')}${more}`,
    [
      `Say which, for example: ${parenthesized(text)} and ${narrower}=${quoted(identityCell(only, narrower))}`,
    ],
  );
}

function parenthesized(text: string): string {
  return /\bor\b/i.test(text) ? `(${text})` : text;
}

function quoted(value: string): string {
  return /^[^\s=<>!()"']+$/.test(value) ? value : `"${value}"`;
}
