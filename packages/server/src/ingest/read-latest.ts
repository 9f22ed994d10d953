import type { Database } from '../store/database.ts';

/** The newest point of a series and what is known of all its points. */
export interface LatestValue {
  readonly runId: string;
  readonly key: string;
  readonly step: number;
  readonly value: number;
  /** Epoch milliseconds. */
  readonly time: number;
  readonly count: number;
  /** Of the finite values. */
  readonly min: number | null;
  readonly max: number | null;
}

/** Most values of one answer. */
const MAX_LATEST_VALUES = 50_000;

/**
 * The newest values of these runs, by run and key. While a later attempt repeats steps, count, min and
 * max also cover the points it has replaced so far; they are right once the attempt has ended.
 */
export async function readLatest(database: Database, runIds: readonly string[]): Promise<LatestValue[]> {
  const { rows } = await database.pool.query<LatestValue>({
    name: 'read-latest',
    text: `select run_id as "runId", key, last_step as step, last_value as value, last_time as time, count,
        min, max
      from metric_series where run_id = any($1::text[]) order by run_id, key limit ${MAX_LATEST_VALUES}`,
    values: [runIds],
  });
  return rows;
}
