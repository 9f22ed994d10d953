import type { ClientBase } from 'pg';
import type { EncodedPoints } from './chunk-codec.ts';
import { SMALL_CHUNK_POINTS } from './merge-plan.ts';
import type { PointsSummary } from './points.ts';
import { numberArray, packBytes } from './sql-arrays.ts';

/** New points of one series: the whole group's summary, and its chunks. */
export interface NewSeriesPoints {
  readonly runId: string;
  readonly key: string;
  readonly attempt: number;
  readonly summary: PointsSummary;
  readonly chunks: readonly NewChunk[];
}

export interface NewChunk {
  readonly summary: PointsSummary;
  readonly encoded: EncodedPoints;
}

export interface UpsertedSeries {
  readonly seriesId: number;
  readonly runId: string;
  readonly unmergedChunks: number;
}

/** In the order of `chunkParameters`, after the series and the attempt. */
export const CHUNK_COLUMNS = `series_id, attempt, first_step, last_step, n, min, max,
  first_value, first_time, last_value, last_time, codec, data`;

/**
 * Writes new points: the series' rows in the order of (run, key), so that two transactions cannot
 * deadlock, and their chunks. Answers the series that have more than `mergeAbove` unmerged chunks.
 * @param series at most one entry per (run, key)
 */
export async function writePoints(
  client: ClientBase,
  series: readonly NewSeriesPoints[],
  mergeAbove: number,
): Promise<UpsertedSeries[]> {
  const chunks = series.flatMap((entry, index) => entry.chunks.map((chunk) => ({ ...chunk, index })));
  const { rows } = await client.query<UpsertedSeries>({
    name: 'ingest-write-points',
    text: `with new_series as (
        select * from unnest($1::text[], $2::text[], $3::int4[], $4::int8[], $5::int8[], $6::float8[],
          $7::float8[], $8::int8[], $9::float8[], $10::float8[], $11::int4[])
          with ordinality as n (run_id, key, attempt, first_step, last_step, last_value, last_time, count,
            min, max, chunks, index)
      ), upserted as (
        insert into metric_series as s (run_id, key, first_step, last_step, last_attempt, last_value,
          last_time, count, min, max, unmerged_chunks)
        select run_id, key, first_step, last_step, attempt, last_value, last_time, count, min, max, chunks
        from new_series order by run_id, key
        on conflict (run_id, key) do update set
          first_step = least(s.first_step, excluded.first_step),
          last_step = greatest(s.last_step, excluded.last_step),
          last_attempt = case when ${IS_NEWER} then excluded.last_attempt else s.last_attempt end,
          last_value = case when ${IS_NEWER} then excluded.last_value else s.last_value end,
          last_time = case when ${IS_NEWER} then excluded.last_time else s.last_time end,
          count = s.count + excluded.count,
          min = least(s.min, excluded.min),
          max = greatest(s.max, excluded.max),
          unmerged_chunks = s.unmerged_chunks + excluded.unmerged_chunks
        returning s.id, s.run_id, s.key, s.unmerged_chunks
      ), written as (
        insert into metric_chunks (${CHUNK_COLUMNS})
        select u.id, n.attempt, c.first_step, c.last_step, c.n, c.min, c.max, c.first_value, c.first_time,
          c.last_value, c.last_time, c.codec, substring($23::bytea from c.start for c.length)
        from unnest($12::int8[], $13::int8[], $14::int8[], $15::int4[], $16::float8[], $17::float8[],
          $18::float8[], $19::float8[], $20::float8[], $21::float8[], $22::int2[], $24::int4[], $25::int4[])
          as c (index, first_step, last_step, n, min, max, first_value, first_time, last_value, last_time,
            codec, start, length)
        join new_series n on n.index = c.index + 1
        join upserted u on u.run_id = n.run_id and u.key = n.key
      )
      select id as "seriesId", run_id as "runId", unmerged_chunks as "unmergedChunks"
      from upserted where unmerged_chunks > $26`,
    values: [
      series.map((entry) => entry.runId),
      series.map((entry) => entry.key),
      numberArray(series.map((entry) => entry.attempt)),
      numberArray(series.map((entry) => entry.summary.firstStep)),
      numberArray(series.map((entry) => entry.summary.lastStep)),
      numberArray(series.map((entry) => entry.summary.lastValue)),
      numberArray(series.map((entry) => entry.summary.lastTime)),
      numberArray(series.map((entry) => entry.summary.count)),
      numberArray(series.map((entry) => entry.summary.min)),
      numberArray(series.map((entry) => entry.summary.max)),
      numberArray(series.map((entry) => entry.chunks.filter(isSmall).length)),
      numberArray(chunks.map((chunk) => chunk.index)),
      ...chunkParameters(chunks),
      mergeAbove,
    ],
  });
  return rows;
}

/** The newest point: highest step, of those the newest attempt's, of those the latest. */
const IS_NEWER = `(excluded.last_step, excluded.last_attempt, excluded.last_time)
            >= (s.last_step, s.last_attempt, s.last_time)`;

/** Parameters of the columns first_step … codec, the packed data, and its begins and lengths. */
export function chunkParameters(chunks: readonly NewChunk[]): unknown[] {
  const packed = packBytes(chunks.map((chunk) => chunk.encoded.data));
  const column = (read: (summary: PointsSummary) => number | null) =>
    numberArray(chunks.map((chunk) => read(chunk.summary)));
  return [
    column((summary) => summary.firstStep),
    column((summary) => summary.lastStep),
    column((summary) => summary.count),
    column((summary) => summary.min),
    column((summary) => summary.max),
    column((summary) => summary.firstValue),
    column((summary) => summary.firstTime),
    column((summary) => summary.lastValue),
    column((summary) => summary.lastTime),
    numberArray(chunks.map((chunk) => chunk.encoded.codec)),
    packed.data,
    numberArray(packed.starts),
    numberArray(packed.lengths),
  ];
}

function isSmall(chunk: NewChunk): boolean {
  return chunk.summary.count < SMALL_CHUNK_POINTS;
}
