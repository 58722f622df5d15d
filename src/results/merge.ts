import type { Row } from '../spec/row.ts';
import { identityKey } from './identity.ts';

/** Both, where a newer row replaces the older one of the same identity. */
export function mergeRows(existing: readonly Row[], newer: readonly Row[]): Row[] {
  return [...new Map([...existing, ...newer].map((row) => [identityKey(row), row])).values()];
}
