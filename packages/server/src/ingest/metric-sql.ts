import type { ClientBase } from 'pg';
import type { EncodedPoints } from './chunk-codec.ts';
import type { PointsSummary } from './points.ts';
import { float8Array, int2Array, int4Array, int8Array, packBytes } from './sql-arrays.ts';

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

/** A chunk to be written into a known series. */
export interface SeriesChunk extends NewChunk {
  readonly seriesId: number;
  readonly attempt: number;
}

/**
 * Writes new points: the series' rows in the order of (run, key), so that two transactions cannot
 * deadlock, then their chunks.
 * @param series at most one entry per (run, key)
 * @param tie which of points equal in step, attempt and time is the newest: that written last, or the greatest
 * @returns ids of the series that have more than `mergeAbove` chunks since their last compaction
 */
export async function writePoints(
  client: ClientBase,
  series: readonly NewSeriesPoints[],
  mergeAbove: number,
  tie: Tie = 'arrival',
): Promise<number[]> {
  const rows = await upsertSeries(client, series, tie);
  const idOf = new Map(rows.map((row) => [`${row.runId} ${row.key}`, row.id]));
  // Two statements: in one, the planner would join the rows to their chunks by nested loops.
  const chunks = series.flatMap(({ runId, key, attempt, chunks }) =>
    chunks.map((chunk) => ({ ...chunk, attempt, seriesId: idOf.get(`${runId} ${key}`)! })),
  );
  await insertChunks(client, chunks);
  return rows.filter((row) => row.unmergedChunks > mergeAbove).map((row) => row.id);
}

type Tie = 'arrival' | 'value';

interface UpsertedSeries {
  readonly id: number;
  readonly runId: string;
  readonly key: string;
  readonly unmergedChunks: number;
}

async function upsertSeries(
  client: ClientBase,
  series: readonly NewSeriesPoints[],
  tie: Tie,
): Promise<UpsertedSeries[]> {
  const isNewer = IS_NEWER[tie];
  const { rows } = await client.query<UpsertedSeries>({
    name: `ingest-upsert-series-${tie}`,
    text: `insert into metric_series as s (run_id, key, first_step, last_step, last_attempt, last_value,
        last_time, count, min, max, unmerged_chunks)
      select run_id, key, first_step, last_step, attempt, last_value, last_time, count, min, max, chunks
      from unnest($1::text[], $2::text[], $3::int4[], $4::int8[], $5::int8[], $6::float8[], $7::float8[],
          $8::int8[], $9::float8[], $10::float8[], $11::int4[])
        as n (run_id, key, attempt, first_step, last_step, last_value, last_time, count, min, max, chunks)
      order by run_id, key
      on conflict (run_id, key) do update set
        first_step = least(s.first_step, excluded.first_step),
        last_step = greatest(s.last_step, excluded.last_step),
        last_attempt = case when ${isNewer} then excluded.last_attempt else s.last_attempt end,
        last_value = case when ${isNewer} then excluded.last_value else s.last_value end,
        last_time = case when ${isNewer} then excluded.last_time else s.last_time end,
        count = s.count + excluded.count,
        min = least(s.min, excluded.min),
        max = greatest(s.max, excluded.max),
        unmerged_chunks = s.unmerged_chunks + excluded.unmerged_chunks
      returning s.id, s.run_id as "runId", s.key, s.unmerged_chunks as "unmergedChunks"`,
    values: [
      series.map((entry) => entry.runId),
      series.map((entry) => entry.key),
      int4Array(series.map((entry) => entry.attempt)),
      int8Array(series.map((entry) => entry.summary.firstStep)),
      int8Array(series.map((entry) => entry.summary.lastStep)),
      float8Array(series.map((entry) => entry.summary.lastValue)),
      float8Array(series.map((entry) => entry.summary.lastTime)),
      int8Array(series.map((entry) => entry.summary.count)),
      float8Array(series.map((entry) => entry.summary.min)),
      float8Array(series.map((entry) => entry.summary.max)),
      int4Array(series.map((entry) => entry.chunks.length)),
    ],
  });
  return rows;
}

/** NaN counts as 0 in a comparison of values. */
const ranked = (value: string) => `case when ${value} = 'NaN' then 0 else ${value} end`;

/** The newest point: highest step, of those the newest attempt's, of those the latest. */
const IS_NEWER: Readonly<Record<Tie, string>> = {
  arrival: `(excluded.last_step, excluded.last_attempt, excluded.last_time)
          >= (s.last_step, s.last_attempt, s.last_time)`,
  value: `(excluded.last_step, excluded.last_attempt, excluded.last_time, ${ranked('excluded.last_value')})
          >= (s.last_step, s.last_attempt, s.last_time, ${ranked('s.last_value')})`,
};

export async function insertChunks(client: ClientBase, chunks: readonly SeriesChunk[]): Promise<void> {
  const packed = packBytes(chunks.map((chunk) => chunk.encoded.data));
  const column = (read: (summary: PointsSummary) => number | null) =>
    float8Array(chunks.map((chunk) => read(chunk.summary)));
  const integers = (read: (summary: PointsSummary) => number) => chunks.map((chunk) => read(chunk.summary));
  await client.query({
    name: 'ingest-insert-chunks',
    text: `insert into metric_chunks (series_id, attempt, first_step, last_step, n, min, max, first_value,
        first_time, last_value, last_time, sum, nans, positives, negatives, codec, data)
      select c.series_id, c.attempt, c.first_step, c.last_step, c.n, c.min, c.max, c.first_value, c.first_time,
        c.last_value, c.last_time, c.sum, c.nans, c.positives, c.negatives, c.codec, substring($13::bytea from c.start for c.length)
      from unnest($1::int8[], $2::int4[], $3::int8[], $4::int8[], $5::int4[], $6::float8[], $7::float8[],
        $8::float8[], $9::float8[], $10::float8[], $11::float8[], $12::int2[], $14::int4[], $15::int4[],
        $16::float8[], $17::int4[], $18::int4[], $19::int4[])
        as c (series_id, attempt, first_step, last_step, n, min, max, first_value, first_time, last_value,
          last_time, codec, start, length, sum, nans, positives, negatives)`,
    values: [
      int8Array(chunks.map((chunk) => chunk.seriesId)),
      int4Array(chunks.map((chunk) => chunk.attempt)),
      int8Array(integers((summary) => summary.firstStep)),
      int8Array(integers((summary) => summary.lastStep)),
      int4Array(integers((summary) => summary.count)),
      column((summary) => summary.min),
      column((summary) => summary.max),
      column((summary) => summary.firstValue),
      column((summary) => summary.firstTime),
      column((summary) => summary.lastValue),
      column((summary) => summary.lastTime),
      int2Array(chunks.map((chunk) => chunk.encoded.codec)),
      packed.data,
      int4Array(packed.starts),
      int4Array(packed.lengths),
      column((summary) => summary.sum),
      int4Array(integers((summary) => summary.nans)),
      int4Array(integers((summary) => summary.positives)),
      int4Array(integers((summary) => summary.negatives)),
    ],
  });
}
