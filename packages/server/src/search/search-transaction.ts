import { TrainyardError } from '@trainyard/protocol';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { Schema } from '../store/schema.ts';

/** Longest time for one search; what takes longer is told to the one who asked. */
const MAX_SEARCH_MS = 20_000;
const QUERY_CANCELED = '57014';

/**
 * Reads in one snapshot, so that what is read of a page is of the rows that were found.
 * @throws TrainyardError QUERY_LIMIT
 */
export async function inSearch<T>(
  db: Kysely<Schema>,
  read: (trx: Transaction<Schema>) => Promise<T>,
): Promise<T> {
  try {
    return await db
      .transaction()
      .setIsolationLevel('repeatable read')
      .setAccessMode('read only')
      .execute(async (trx) => {
        // Compiling a statement takes PostgreSQL longer than any search that is worth it.
        await sql`select set_config('statement_timeout', ${String(MAX_SEARCH_MS)}, true),
          set_config('jit', 'off', true)`.execute(trx);
        return read(trx);
      });
  } catch (error) {
    if ((error as { code?: unknown }).code !== QUERY_CANCELED) throw error;
    throw new TrainyardError(
      'QUERY_LIMIT',
      `The search took longer than ${MAX_SEARCH_MS / 1000} s and was ended. Ask for fewer experiments, or without regular expressions.`,
    );
  }
}
