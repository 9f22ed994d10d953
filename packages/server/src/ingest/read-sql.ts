import type { ClientBase } from 'pg';
import type { EncodedPoints } from './chunk-codec.ts';
import type { PointsSummary } from './points.ts';
import { int8Array } from './sql-arrays.ts';

export interface SeriesRow {
  readonly id: number;
  readonly runId: string;
  readonly key: string;
  readonly firstStep: number;
  readonly lastStep: number;
}

export interface ChunkRow extends EncodedPoints {
  readonly id: number;
  readonly seriesId: number;
  readonly attempt: number;
  readonly count: number;
}

export interface ChunkSummaryRow extends PointsSummary {
  readonly id: number;
  readonly seriesId: number;
  readonly attempt: number;
}

/** Most series of one read. */
const MAX_SERIES_PER_READ = 10_000;

/** @param keys undefined: all */
export async function seriesOfRuns(
  client: ClientBase,
  runIds: readonly string[],
  keys: readonly string[] | undefined,
): Promise<SeriesRow[]> {
  const { rows } = await client.query<SeriesRow>({
    text: `select id, run_id as "runId", key, first_step as "firstStep", last_step as "lastStep"
      from metric_series where run_id = any($1::text[]) ${keys === undefined ? '' : 'and key = any($2::text[])'}
      order by run_id, key limit ${MAX_SERIES_PER_READ}`,
    values: keys === undefined ? [runIds] : [runIds, keys],
  });
  return rows;
}

/** How many points the chunks of each series hold that touch the range of steps. */
export async function chunkSizesOfSeries(
  client: ClientBase,
  seriesIds: readonly number[],
  firstStep: number,
  lastStep: number,
): Promise<{ seriesId: number; points: number }[]> {
  const { rows } = await client.query<{ seriesId: number; points: number }>({
    text: `select series_id as "seriesId", sum(n) as points from metric_chunks
      where series_id = any($1::int8[]) and first_step <= $3 and last_step >= $2 group by series_id`,
    values: [int8Array(seriesIds), firstStep, lastStep],
  });
  return rows;
}

/** Chunks of one series that touch the range, in the order of their ids. */
export async function chunksOfSeries(
  client: ClientBase,
  seriesId: number,
  firstStep: number,
  lastStep: number,
): Promise<ChunkRow[]> {
  const { rows } = await client.query<ChunkRow>({
    name: 'read-chunks-of-series',
    text: `select id, series_id as "seriesId", attempt, n as count, codec, data from metric_chunks
      where series_id = $1 and first_step <= $3 and last_step >= $2 order by id`,
    values: [seriesId, firstStep, lastStep],
  });
  return rows;
}

/** Headers of the chunks that touch the range; at most `limit`, so that one more tells of too many. */
export async function chunkSummaries(
  client: ClientBase,
  seriesIds: readonly number[],
  firstStep: number,
  lastStep: number,
  limit: number,
): Promise<ChunkSummaryRow[]> {
  const { rows } = await client.query<ChunkSummaryRow>({
    text: `select id, series_id as "seriesId", attempt, n as count, first_step as "firstStep",
        first_time as "firstTime", first_value as "firstValue", last_step as "lastStep",
        last_time as "lastTime", last_value as "lastValue", min, max
      from metric_chunks where series_id = any($1::int8[]) and first_step <= $3 and last_step >= $2
      order by id limit $4`,
    values: [int8Array(seriesIds), firstStep, lastStep, limit],
  });
  return rows;
}

export async function chunksById(client: ClientBase, ids: readonly number[]): Promise<ChunkRow[]> {
  const { rows } = await client.query<ChunkRow>({
    name: 'read-chunks-by-id',
    text: `select id, series_id as "seriesId", attempt, n as count, codec, data from metric_chunks
      where id = any($1::int8[]) order by id`,
    values: [int8Array(ids)],
  });
  return rows;
}
