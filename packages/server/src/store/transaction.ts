import type { Pool, PoolClient } from 'pg';

export type Isolation = 'read committed' | 'repeatable read read only';

/** Runs `work` in a transaction on a connection of its own; a failed connection is not used again. */
export async function inTransaction<T>(
  pool: Pool,
  isolation: Isolation,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  // A connection that breaks while it is lent out also emits; the query that fails tells the caller.
  const ignore = () => {};
  client.on('error', ignore);
  let failure: Error | undefined;
  try {
    await client.query(`begin isolation level ${isolation}`);
    const result = await work(client);
    await client.query('commit');
    return result;
  } catch (error) {
    failure = await rollback(client);
    throw error;
  } finally {
    client.off('error', ignore);
    client.release(failure);
  }
}

async function rollback(client: PoolClient): Promise<Error | undefined> {
  try {
    await client.query('rollback');
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
