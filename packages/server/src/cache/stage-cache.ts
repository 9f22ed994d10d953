import type { CacheEntry } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import { jsonbText } from '../store/jsonb-text.ts';
import type { Schema } from '../store/schema.ts';

export interface CacheQuestion {
  readonly key: string;
  /** Null for any age. */
  readonly maxAgeMs: number | null;
}

export interface CachedResult {
  readonly runId: string;
  readonly outputs: unknown;
}

/** The results that there are for keys. */
export async function findCached(
  db: Kysely<Schema>,
  questions: readonly CacheQuestion[],
): Promise<ReadonlyMap<string, CachedResult>> {
  if (questions.length === 0) return new Map();
  const rows = questions.map(({ key, maxAgeMs }) => ({ key, max_age_ms: maxAgeMs }));
  const found = await sql<{ key: string; run_id: string; outputs: unknown }>`
    select distinct c.key, c.run_id, r.outputs
    from json_to_recordset(${jsonbText(rows)}::json) as x(key text, max_age_ms bigint)
    join stage_cache c on c.key = x.key
    join runs r on r.id = c.run_id
    where x.max_age_ms is null or c.created_at > now() - x.max_age_ms * interval '1 millisecond'`.execute(db);
  return new Map(found.rows.map(({ key, run_id, outputs }) => [key, { runId: run_id, outputs }]));
}

/** Datasets that runs wrote, by run. */
export async function datasetsWrittenBy(
  db: Kysely<Schema>,
  runIds: readonly string[],
): Promise<ReadonlyMap<string, (readonly [name: string, sha256: string])[]>> {
  const byRun = new Map<string, (readonly [string, string])[]>();
  if (runIds.length === 0) return byRun;
  const { rows } = await sql<{ run_id: string; name: string; sha256: string }>`
    select run_id, name, sha256 from run_datasets
    where run_id = any(${runIds}::text[]) and role = 'output'`.execute(db);
  for (const { run_id, name, sha256 } of rows) {
    const list = byRun.get(run_id) ?? [];
    byRun.set(run_id, list);
    list.push([name, sha256]);
  }
  return byRun;
}

interface EntryFilter {
  readonly pipeline?: string | undefined;
  readonly stage?: string | undefined;
}

/** Newest first. */
export async function listCached(
  db: Kysely<Schema>,
  { limit, ...filter }: EntryFilter & { readonly limit: number },
): Promise<CacheEntry[]> {
  let select = db.selectFrom('stage_cache').selectAll().orderBy('created_at', 'desc').limit(limit);
  if (filter.pipeline !== undefined) select = select.where('pipeline', '=', filter.pipeline);
  if (filter.stage !== undefined) select = select.where('stage', '=', filter.stage);
  return (await select.execute()).map((row) => ({
    key: row.key,
    runId: row.run_id,
    rootId: row.root_id,
    pipeline: row.pipeline,
    stage: row.stage,
    createdAt: row.created_at.toISOString(),
  }));
}

/** Forgets entries, not the runs they are of; gives how many. */
export async function clearCached(
  db: Kysely<Schema>,
  { pipeline, stage, olderThanMs }: EntryFilter & { readonly olderThanMs?: number | undefined },
): Promise<number> {
  let remove = db.deleteFrom('stage_cache');
  if (pipeline !== undefined) remove = remove.where('pipeline', '=', pipeline);
  if (stage !== undefined) remove = remove.where('stage', '=', stage);
  if (olderThanMs !== undefined) {
    remove = remove.where(sql<boolean>`created_at <= now() - ${olderThanMs} * interval '1 millisecond'`);
  }
  const { numDeletedRows } = await remove.executeTakeFirst();
  return Number(numDeletedRows);
}

export interface NewCacheEntry {
  readonly key: string;
  readonly run_id: string;
  readonly root_id: string;
  readonly pipeline: string;
  readonly stage: string;
}

/** Of two results for one key the newer one counts. The rows of their runs have to be there. */
export const INSERT_CACHE_ENTRIES = `
  insert into stage_cache (key, run_id, root_id, pipeline, stage)
  select distinct on (key) key, run_id, root_id, pipeline, stage
  from json_to_recordset($1::json) as x(key text, run_id text, root_id text, pipeline text, stage text)
  order by key, run_id desc
  on conflict (key) do update
  set run_id = excluded.run_id, root_id = excluded.root_id, created_at = now()`;
