import type { ClientBase, Pool } from 'pg';
import type { EncodedPoints } from './chunk-codec.ts';
import type { ChunkHeader } from './merge-plan.ts';
import { int8Array } from './sql-arrays.ts';

export interface StoredChunk extends EncodedPoints {
  readonly id: number;
  readonly attempt: number;
  readonly count: number;
  readonly seriesId: number;
}

export interface ChunkRange {
  readonly id: number;
  readonly attempt: number;
  readonly firstStep: number;
  readonly lastStep: number;
}

export async function listSeriesIds(pool: Pool, runId: string): Promise<number[]> {
  const { rows } = await pool.query<{ id: number }>({
    name: 'compact-list-series',
    text: 'select id from metric_series where run_id = $1 order by key',
    values: [runId],
  });
  return rows.map((row) => row.id);
}

/** Locks the rows in the order that appends use, so that the two cannot deadlock. */
export async function lockSeries(client: ClientBase, seriesIds: readonly number[]): Promise<number[]> {
  const { rows } = await client.query<{ id: number }>({
    name: 'compact-lock-series',
    text: `select id from metric_series where id = any($1::int8[])
      order by run_id, key for no key update`,
    values: [int8Array(seriesIds)],
  });
  return rows.map((row) => row.id);
}

/** Small chunks considered by one compaction of a batch of series. */
const MAX_SMALL_CHUNKS = 50_000;

/** Headers of the small chunks (SMALL_CHUNK_POINTS) of those series that have some. */
export async function smallChunkHeaders(
  client: ClientBase,
  seriesIds: readonly number[],
): Promise<(ChunkHeader & { seriesId: number })[]> {
  const { rows } = await client.query<ChunkHeader & { seriesId: number }>({
    name: 'compact-small-chunks',
    text: `select id, series_id as "seriesId", attempt, n as count, larger as "largerBefore"
      from unnest($1::int8[]) as s (wanted) cross join lateral (
        select id, series_id, attempt, n,
          count(*) filter (where n >= 1024) over (partition by attempt order by first_step, id) as larger
        from metric_chunks where series_id = s.wanted
      ) c
      where n < 1024
      order by id limit ${MAX_SMALL_CHUNKS}`,
    values: [int8Array(seriesIds)],
  });
  return rows;
}

/** Chunks with their data, in the order of their ids. */
export async function readChunks(client: ClientBase, ids: readonly number[]): Promise<StoredChunk[]> {
  const { rows } = await client.query<StoredChunk>({
    name: 'compact-read-chunks',
    text: `select id, series_id as "seriesId", attempt, n as count, codec, data from metric_chunks
      where id = any($1::int8[]) order by id`,
    values: [int8Array(ids)],
  });
  return rows;
}

/** Deletes chunks and marks the series as compacted. */
export async function replaceChunks(
  client: ClientBase,
  compactedSeries: readonly number[],
  removedChunks: readonly number[],
): Promise<void> {
  await client.query({
    name: 'compact-replace',
    text: `with removed as (delete from metric_chunks where id = any($2::int8[]))
      update metric_series set unmerged_chunks = 0 where id = any($1::int8[]) and unmerged_chunks > 0`,
    values: [int8Array(compactedSeries), int8Array(removedChunks)],
  });
}

export async function seriesOfSeveralAttempts(pool: Pool, seriesIds: readonly number[]): Promise<number[]> {
  const { rows } = await pool.query<{ id: number }>({
    name: 'compact-several-attempts',
    text: `select series_id as id from metric_chunks where series_id = any($1::int8[])
      group by series_id having min(attempt) <> max(attempt) order by series_id`,
    values: [int8Array(seriesIds)],
  });
  return rows.map((row) => row.id);
}

/** Ranges of all chunks of a series, oldest attempt first. */
export async function chunkRanges(client: ClientBase, seriesId: number): Promise<ChunkRange[]> {
  const { rows } = await client.query<ChunkRange>({
    name: 'compact-ranges',
    text: `select id, attempt, first_step as "firstStep", last_step as "lastStep" from metric_chunks
      where series_id = $1 order by attempt, first_step, id`,
    values: [seriesId],
  });
  return rows;
}

/** Sets count, min and max of a series from its chunks. */
export async function recountSeries(client: ClientBase, seriesId: number): Promise<void> {
  await client.query({
    name: 'compact-recount',
    text: `update metric_series s set count = c.count, min = c.min, max = c.max
      from (select coalesce(sum(n), 0) as count, min(min) as min, max(max) as max
        from metric_chunks where series_id = $1) c
      where s.id = $1`,
    values: [seriesId],
  });
}
