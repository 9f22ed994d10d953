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
  /** False where an older version wrote the chunk: its sum and counts are not known. */
  readonly isSummed: boolean;
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

/** When each run began, in epoch milliseconds. */
export async function startsOfRuns(
  client: ClientBase,
  runIds: readonly string[],
): Promise<Map<string, number>> {
  const { rows } = await client.query<{ id: string; startMs: number }>({
    name: 'read-starts-of-runs',
    text: `select id, extract(epoch from coalesce(started_at, created_at))::float8 * 1000 as "startMs"
      from runs where id = any($1::text[])`,
    values: [runIds],
  });
  return new Map(rows.map(({ id, startMs }) => [id, startMs]));
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

/** Steps of a series, both ends included. */
export interface SeriesSteps {
  readonly seriesId: number;
  readonly firstStep: number;
  readonly lastStep: number;
}

const SUMMARY = `id, series_id as "seriesId", attempt, n as count, first_step as "firstStep",
        first_time as "firstTime", first_value as "firstValue", last_step as "lastStep",
        last_time as "lastTime", last_value as "lastValue", min, max, sum is not null as "isSummed",
        coalesce(sum, 0) as sum, coalesce(nans, 0) as nans, coalesce(positives, 0) as positives,
        coalesce(negatives, 0) as negatives`;

/** Headers of the chunks that touch these steps; at most `limit`, so that one more tells of too many. */
export async function chunkSummaries(
  client: ClientBase,
  wanted: readonly SeriesSteps[],
  limit: number,
): Promise<ChunkSummaryRow[]> {
  if (wanted.length === 0) return [];
  const { rows } = await client.query<ChunkSummaryRow>({
    name: 'read-chunk-summaries',
    text: `select distinct on (id) ${SUMMARY}
      from unnest($1::int8[], $2::int8[], $3::int8[]) as w (series, first, last)
      cross join lateral (select * from metric_chunks
        where series_id = w.series and first_step <= w.last and last_step >= w.first) c
      order by id limit $4`,
    values: [...seriesColumns(wanted), limit],
  });
  return rows;
}

/** The same of the chunks that are not in the tiles of their series. */
export async function looseSummaries(
  client: ClientBase,
  wanted: readonly (SeriesSteps & { readonly throughId: number })[],
  looseIds: readonly number[],
  limit: number,
): Promise<ChunkSummaryRow[]> {
  if (wanted.length === 0) return [];
  const { rows } = await client.query<ChunkSummaryRow>({
    name: 'read-loose-summaries',
    text: `select ${SUMMARY}
      from unnest($1::int8[], $2::int8[], $3::int8[], $5::int8[]) as w (series, first, last, through)
      cross join lateral (select * from metric_chunks
        where series_id = w.series and first_step <= w.last and last_step >= w.first
          and (id > w.through or id = any($6::int8[]))) c
      order by id limit $4`,
    values: [
      ...seriesColumns(wanted),
      limit,
      int8Array(wanted.map((each) => each.throughId)),
      int8Array(looseIds),
    ],
  });
  return rows;
}

function seriesColumns(wanted: readonly SeriesSteps[]): Buffer[] {
  return [
    int8Array(wanted.map((each) => each.seriesId)),
    int8Array(wanted.map((each) => each.firstStep)),
    int8Array(wanted.map((each) => each.lastStep)),
  ];
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
