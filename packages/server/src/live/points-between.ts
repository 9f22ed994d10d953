import type { MetricPoint } from '@trainyard/protocol';
import { toMetricNumber } from '../ingest/index.ts';
import { type ParserState, PointsByKey, parseMetricBytes } from '../ingest/metric-parser.ts';
import { formatOf, type StoredStream } from '../ingest/stored-stream.ts';
import { HAS_OWN_METRICS, readStream, type StreamPiece } from '../ingest/stream-sql.ts';
import type { Database } from '../store/database.ts';

/** Bytes before the range in which its first line may begin. */
const LOOK_BACK_BYTES = 64 * 1024;
/** A longer range is left to the reader to fetch. */
const MAX_RANGE_BYTES = 1024 * 1024;
const NEWLINE = 10;

export interface StreamRange {
  readonly attemptId: string;
  readonly stream: StoredStream;
  /** Bytes from `offset` up to `size`. */
  readonly offset: number;
  readonly size: number;
}

/**
 * Points of the lines of a stream that end within a range: exactly those that its append made readable; of most
 * logs none. Undefined when the range is too long to be read in passing.
 */
export async function readPointsBetween(
  { pool }: Database,
  { attemptId, stream, offset, size }: StreamRange,
): Promise<Record<string, MetricPoint[]> | undefined> {
  const format = formatOf(stream);
  if (format === 'console' && !(await readsConsole(pool, attemptId))) return {};
  if (size - offset > MAX_RANGE_BYTES) return undefined;
  const from = Math.max(0, offset - LOOK_BACK_BYTES);
  const rows = await readStream(pool, { attemptId, stream }, from, size);
  const begin = lineBegin(rows, offset);
  if (begin === undefined) return undefined;
  const points = new PointsByKey();
  let state: ParserState = { parsed: begin, tail: [], inLongLine: false, lines: 0 };
  for (const row of rows) {
    const bytes = row.bytes.subarray(Math.max(0, begin - row.offset), size - row.offset);
    state = parseMetricBytes(state, bytes, row.receivedAt.getTime(), points, format).state;
  }
  return toLists(points);
}

async function readsConsole(pool: Database['pool'], attemptId: string): Promise<boolean> {
  const { rows } = await pool.query({
    name: 'reads-console',
    text: `select from streams s
      where attempt_id = $1 and stream = 'log' and reads_console and not ${HAS_OWN_METRICS}`,
    values: [attemptId],
  });
  return rows.length > 0;
}

/** Where the line begins that goes on at `offset`. */
function lineBegin(chunks: readonly StreamPiece[], offset: number): number | undefined {
  if (offset === 0) return 0;
  for (const chunk of chunks.toReversed()) {
    const before = chunk.bytes.subarray(0, Math.max(0, offset - chunk.offset));
    const at = before.lastIndexOf(NEWLINE);
    if (at >= 0) return chunk.offset + at + 1;
  }
  return chunks[0]?.offset === 0 ? 0 : undefined;
}

function toLists(points: PointsByKey): Record<string, MetricPoint[]> {
  const lists: [string, MetricPoint[]][] = [...points.build()].map(([key, { steps, values, times }]) => [
    key,
    Array.from(steps, (step, index) => ({
      step,
      value: toMetricNumber(values[index]!),
      time: times[index]!,
    })),
  ]);
  return Object.fromEntries(lists);
}
