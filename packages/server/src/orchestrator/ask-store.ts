import type { Kysely } from 'kysely';
import type { Schema } from '../store/schema.ts';
import { resolveCached } from './cached-leaves.ts';
import { answerLookups } from './lookups.ts';
import type { TreeChanges } from './tree-changes.ts';

/**
 * Answers all that the decisions of a tick ask of the store, before the tick is written. What follows from an
 * answer may ask again, so that is repeated until nothing is open; a crash repeats it as a whole.
 */
export async function askStore(
  db: Kysely<Schema>,
  changes: readonly TreeChanges[],
  nowMs: number,
): Promise<void> {
  while (changes.some(({ lookups, cacheable }) => lookups.length > 0 || cacheable.length > 0)) {
    await resolveCached(db, changes, nowMs);
    await answerLookups(db, changes, nowMs);
  }
}
