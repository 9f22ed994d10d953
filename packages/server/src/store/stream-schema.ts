import type { Generated } from 'kysely';
import type { StoredStream } from '../ingest/stored-stream.ts';
import type { DatasetsSchema } from './datasets-schema.ts';
import type { MetricAnomaliesTable } from './metric-anomalies.ts';
import type { Instant, NullableInstant, NullableJson } from './schema.ts';

/** Tables of what attempts write: logs, metrics and the points made of them. */
export interface StreamSchema extends DatasetsSchema {
  streams: StreamsTable;
  stream_chunks: StreamChunksTable;
  metric_series: MetricSeriesTable;
  metric_chunks: MetricChunksTable;
  metric_pyramids: MetricPyramidsTable;
  metric_tiles: MetricTilesTable;
  metric_anomalies: MetricAnomaliesTable;
  deleted_attempts: DeletedAttemptsTable;
}

/** An attempt whose run was deleted: its agent may remove what it has of it. */
interface DeletedAttemptsTable {
  attempt_id: string;
  run_id: string;
  agent_id: string;
  deleted_at: Generated<Date>;
}

interface StreamsTable {
  attempt_id: string;
  stream: StoredStream;
  run_id: string;
  /** Highest contiguous offset that is stored. */
  size: number;
  /** Bytes of the stream that points were built from: at a line's end, or inside of a line too long to read. */
  parsed: Generated<number>;
  /** Whether `parsed` stands inside of a line that is too long: all up to its end is skipped. */
  in_long_line: Generated<boolean>;
  unreadable_lines: Generated<number>;
  /** The first of them, as JSON: line, offset, problem. */
  refused_lines: NullableJson;
  /** Line ends that are stored. */
  lines: Generated<number>;
  /** Of a log: what the program put in itself, beside what its agent sends. */
  inserted_bytes: Generated<number>;
  inserted_lines: Generated<number>;
  /** The agent's last line was ended for it, since another one had to be put behind it. */
  has_cut_line: Generated<boolean>;
  /** Of a log: points are built from its lines, too. */
  reads_console: Generated<boolean>;
  /** Since when its chunks are gone, or going, and which limit said so. Its size stays what it was. */
  removed_at: NullableInstant;
  removed_because: RemovalReason | null;
}

/** Which limit of the server's retention a log was removed by. */
export type RemovalReason = 'age' | 'size';

interface StreamChunksTable {
  attempt_id: string;
  stream: StoredStream;
  offset: number;
  bytes: Buffer;
  received_at: Instant;
  /** Line ends before it. */
  first_line: Generated<number>;
  /** How `bytes` are stored (ingest/chunk-bytes.ts). */
  codec: Generated<number>;
}

/** One row per run and key, with the values that tables and searches need. */
interface MetricSeriesTable {
  id: Generated<number>;
  run_id: string;
  key: string;
  first_step: number;
  /** The newest point: highest step, of those the newest attempt's, of those the latest. */
  last_step: number;
  last_attempt: number;
  last_value: number;
  last_time: number;
  count: number;
  /** Of the finite values. */
  min: number | null;
  max: number | null;
  /** Chunks written since the series was last compacted. */
  unmerged_chunks: Generated<number>;
}

interface MetricChunksTable {
  id: Generated<number>;
  series_id: number;
  /** Number of the attempt that wrote the points: where steps repeat, the newest attempt counts. */
  attempt: number;
  first_step: number;
  last_step: number;
  n: number;
  min: number | null;
  max: number | null;
  first_value: number;
  first_time: number;
  last_value: number;
  last_time: number;
  /** Of the finite values, and how many are NaN, Infinity, -Infinity; null in chunks of older versions. */
  sum: number | null;
  nans: number | null;
  positives: number | null;
  negatives: number | null;
  codec: number;
  data: Buffer;
}

/** What is summed up in the tiles of a series. Derived from its chunks. */
interface MetricPyramidsTable {
  series_id: number;
  /** Highest id of a chunk whose points are in the tiles. */
  through_id: number;
  /** Ids up to it of small chunks, whose points are not. */
  loose: NullableJson;
  /** Levels that are kept: each second one, a bucket of which is 2^level steps wide. */
  base_level: number;
  top_level: number;
  /** Per attempt which steps its tiles cover. */
  attempts: NullableJson;
}

/** 256 buckets of a level, those that hold points (ingest/tile-codec.ts). */
interface MetricTilesTable {
  series_id: number;
  attempt: number;
  level: number;
  tile: number;
  data: Buffer;
}
