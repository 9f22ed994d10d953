import type { Run } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import type { Database } from '../store/database.ts';
import type { Schema } from '../store/schema.ts';

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

/** The newest value of one key, by run; runs without it are left out. */
export async function readLatestOf(
  db: Kysely<Schema>,
  { key, runIds }: { readonly key: string; readonly runIds: readonly string[] },
): Promise<Map<string, LatestValue>> {
  const { rows } = await sql<LatestValue>`
    select run_id as "runId", key, last_step as step, last_value as value, last_time as time, count, min, max
    from metric_series where run_id = any(${runIds}::text[]) and key = ${key}`.execute(db);
  return new Map(rows.map((row) => [row.runId, row]));
}

/** Runs of a tree whose values are looked for. */
const MAX_TREE_RUNS = 100_000;

/** The newest values of a run and of all runs below it, in the order of the definition and by key. */
export async function readLatestOfTree(
  database: Database,
  run: Pick<Run, 'id' | 'rootId' | 'parentId' | 'path'>,
): Promise<(LatestValue & { path: string })[]> {
  // Only runs that had an attempt have metrics, or those that took over the results of one. The root's path is
  // empty: everything is below it.
  const below = run.parentId === null ? '' : `${run.path}/`;
  const { rows } = await database.pool.query<LatestValue & { path: string }>({
    name: 'read-latest-of-tree',
    text: `select r.path, r.id as "runId", s.key, s.last_step as step, s.last_value as value,
        s.last_time as time, s.count, s.min, s.max
      from (select id, coalesce(kept_from, cached_from, id) as producer, path, node_index from runs
        where root_id = $1 and (attempt > 0 or kind = 'external' or kept_from is not null or cached_from is not null)
          and (id = $2 or starts_with(path, $3))
        order by node_index limit ${MAX_TREE_RUNS}) r
      join metric_series s on s.run_id = r.producer
      order by r.node_index, s.key limit ${MAX_LATEST_VALUES}`,
    values: [run.rootId, run.id, below],
  });
  return rows;
}
