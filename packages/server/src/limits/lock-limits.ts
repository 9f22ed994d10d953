import type pg from 'pg';

/**
 * Waits until nobody else hands out limits or decides about groups, up to the end of the transaction. One
 * lock for all of them: it needs no rows, has no order to get wrong, and is held for a few milliseconds.
 */
export async function lockLimits(client: pg.PoolClient): Promise<void> {
  await client.query({
    name: 'limits-lock',
    text: `select pg_advisory_xact_lock(hashtextextended('trainyard limits ' || current_schema(), 0))`,
  });
}
