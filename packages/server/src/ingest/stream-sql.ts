import type { AttemptStatus } from '@trainyard/protocol';
import type { ClientBase, Pool } from 'pg';
import { freeMemory } from '../free-memory.ts';
import { restoreChunk, type StoredBytes } from './chunk-bytes.ts';
import { int2Array, int4Array, int8Array, packBytes } from './sql-arrays.ts';
import { POINT_STREAMS, type StoredStream } from './stored-stream.ts';

type Queryable = Pick<ClientBase | Pool, 'query'>;

/** Where a stream ends, and how much of it was put in beside its sender. */
export interface StreamEnd {
  readonly size: number;
  /** Line ends that are stored. */
  readonly lines: number;
  /** Of a log: what its program put in itself. Its agent does not count these. */
  readonly insertedBytes: number;
  readonly insertedLines: number;
  /** The agent's last line was ended for it, since another one had to be put behind it. */
  readonly hasCutLine: boolean;
}

/** A stream's row, locked until the end of the transaction, and its attempt's status. */
export interface LockedStream extends StreamEnd {
  readonly attemptId: string;
  readonly stream: StoredStream;
  readonly parsed: number;
  readonly inLongLine: boolean;
  readonly unreadableLines: number;
  /** Of a log: points are built from its lines, too. */
  readonly readsConsole: boolean;
  /** The program writes its metrics itself: then its log is not read for them, too. */
  readonly hasOwnMetrics: boolean;
  readonly attemptStatus: AttemptStatus;
}

/** Columns of a stream `s`. */
const STREAM_END = `s.size, s.lines, s.inserted_bytes as "insertedBytes", s.inserted_lines as "insertedLines",
  s.has_cut_line as "hasCutLine"`;

export interface StreamKey {
  readonly attemptId: string;
  readonly runId: string;
  readonly stream: StoredStream;
}

/**
 * Locks the rows of these streams, making those that are missing. Rows are locked in the order of their
 * key, as every transaction does, so two servers cannot deadlock. A stream whose attempt does not exist
 * is left out.
 */
export async function lockStreams(client: ClientBase, keys: readonly StreamKey[]): Promise<LockedStream[]> {
  const locked = await selectForUpdate(client, keys);
  const found = new Set(locked.map((row) => `${row.attemptId} ${row.stream}`));
  const missing = keys.filter((key) => !found.has(`${key.attemptId} ${key.stream}`));
  if (missing.length === 0) return locked;
  await client.query({
    name: 'ingest-make-streams',
    text: `insert into streams (attempt_id, stream, run_id, size, reads_console)
      select k.attempt_id, k.stream, k.run_id, 0,
        k.stream = 'log' and coalesce((a.spec ->> 'metricsFromLog')::boolean, false)
      from unnest($1::text[], $2::text[], $3::text[]) as k (attempt_id, stream, run_id)
      join attempts a on a.id = k.attempt_id
      order by k.attempt_id, k.stream
      on conflict do nothing`,
    values: [missing.map((k) => k.attemptId), missing.map((k) => k.stream), missing.map((k) => k.runId)],
  });
  return selectForUpdate(client, keys);
}

async function selectForUpdate(client: ClientBase, keys: readonly StreamKey[]): Promise<LockedStream[]> {
  const { rows } = await client.query<LockedStream>({
    name: 'ingest-lock-streams',
    text: `select s.attempt_id as "attemptId", s.stream, ${STREAM_END}, s.parsed, s.in_long_line as "inLongLine",
        s.unreadable_lines as "unreadableLines", s.reads_console as "readsConsole",
        ${HAS_OWN_METRICS} as "hasOwnMetrics", a.status as "attemptStatus"
      from streams s join attempts a on a.id = s.attempt_id
      where s.attempt_id = any($1::text[]) and s.stream = any($2::text[])
      order by s.attempt_id, s.stream
      for no key update of s`,
    values: [[...new Set(keys.map((k) => k.attemptId))], [...new Set(keys.map((k) => k.stream))]],
  });
  return rows;
}

/** Bytes of a stream as they were sent. */
export interface StreamPiece {
  readonly offset: number;
  readonly bytes: Buffer;
  readonly receivedAt: Date;
}

/**
 * The stored bytes from `from` up to `to`, both offsets of the stream, chunk by chunk.
 * @param mostChunks with more chunks the end is left out
 */
export async function readStream(
  client: Queryable,
  { attemptId, stream }: Pick<StreamKey, 'attemptId' | 'stream'>,
  from: number,
  to: number,
  mostChunks = Number.MAX_SAFE_INTEGER,
): Promise<StreamPiece[]> {
  if (from >= to) return [];
  const { rows } = await client.query<StoredBytes & Omit<StreamPiece, 'bytes'>>({
    name: 'ingest-read-stream',
    // The chunk that holds `from` begins before it: found by one step backwards in the index.
    text: `select "offset", bytes as data, codec, received_at as "receivedAt"
      from stream_chunks
      where attempt_id = $1 and stream = $2 and "offset" < $4 and "offset" >= (
        select c."offset" from stream_chunks c
        where c.attempt_id = $1 and c.stream = $2 and c."offset" <= $3
        order by c."offset" desc limit 1)
      order by "offset" limit $5`,
    values: [attemptId, stream, from, to, mostChunks],
  });
  return Promise.all(
    rows.map(async (row) => {
      const whole = await restoreChunk(row);
      const bytes = whole.subarray(Math.max(0, from - row.offset), to - row.offset);
      return { offset: Math.max(from, row.offset), bytes, receivedAt: row.receivedAt };
    }),
  );
}

/** The same, as one piece. */
export async function readStreamBytes(...range: Parameters<typeof readStream>): Promise<Buffer> {
  return Buffer.concat((await readStream(...range)).map(({ bytes }) => bytes));
}

/** Whether the program of the log `s` writes metrics itself. */
export const HAS_OWN_METRICS = `(s.reads_console and exists (
  select from streams m
  where m.attempt_id = s.attempt_id and m.stream in ('metrics', 'reported') and m.size > 0))`;

/** Condition for a stream `s` that points are built from. */
export const IS_PARSED = `(s.stream in (${POINT_STREAMS.map((stream) => `'${stream}'`).join(', ')}) or s.reads_console)`;

/** A stream whose last bytes are not parsed. */
export interface UnparsedEnd
  extends StreamEnd,
    Pick<LockedStream, 'attemptId' | 'stream' | 'parsed' | 'inLongLine'> {
  readonly attemptNumber: number;
}

/** Streams of a run that are parsed and have unparsed bytes, whose attempts are in one of these statuses, locked. */
export async function unparsedEnds(
  client: ClientBase,
  runId: string,
  statuses: readonly AttemptStatus[],
): Promise<UnparsedEnd[]> {
  const { rows } = await client.query<UnparsedEnd>({
    name: 'ingest-unparsed-ends',
    text: `select s.attempt_id as "attemptId", s.stream, ${STREAM_END}, s.parsed,
        s.in_long_line as "inLongLine", a.number as "attemptNumber"
      from attempts a join streams s on s.attempt_id = a.id and ${IS_PARSED}
      where a.run_id = $1 and a.status = any($2::text[]) and s.parsed < s.size
      order by s.attempt_id for no key update of s`,
    values: [runId, statuses],
  });
  return rows;
}

/** A piece of a stream to be stored, at the place where the stream ends so far. */
export interface NewChunk extends Pick<StreamKey, 'attemptId' | 'stream'> {
  readonly offset: number;
  readonly bytes: Buffer;
  /** The same bytes, as they are to be stored. */
  readonly stored: StoredBytes;
  /** Line ends before it. */
  readonly firstLine: number;
}

export interface StreamState extends StreamEnd, Pick<StreamKey, 'attemptId' | 'stream'> {
  readonly parsed: number;
  readonly inLongLine: boolean;
  readonly newUnreadableLines: number;
}

/** Writes chunks and the new sizes of their streams, in one statement. */
export async function writeStreams(
  client: ClientBase,
  chunks: readonly NewChunk[],
  streams: readonly StreamState[],
  receivedAt: Date,
): Promise<void> {
  const packed = packBytes(chunks.map((chunk) => chunk.stored.data));
  await client.query({
    name: 'ingest-write-streams',
    text: `with stored as (
        insert into stream_chunks (attempt_id, stream, "offset", bytes, received_at, first_line, codec)
        select c.attempt_id, c.stream, c."offset", substring($4::bytea from c.start for c.length), $7,
          c.first_line, c.codec
        from unnest($1::text[], $2::text[], $3::int8[], $5::int4[], $6::int4[], $14::int8[], $19::int2[])
          as c (attempt_id, stream, "offset", start, length, first_line, codec)
      )
      update streams s set size = n.size, parsed = n.parsed, in_long_line = n.in_long_line,
        unreadable_lines = s.unreadable_lines + n.unreadable, lines = n.lines,
        inserted_bytes = n.inserted_bytes, inserted_lines = n.inserted_lines, has_cut_line = n.has_cut_line
      from unnest($8::text[], $9::text[], $10::int8[], $11::int8[], $12::bool[], $13::int8[], $15::int8[],
          $16::int8[], $17::int8[], $18::bool[])
        as n (attempt_id, stream, size, parsed, in_long_line, unreadable, lines, inserted_bytes, inserted_lines,
            has_cut_line)
      where s.attempt_id = n.attempt_id and s.stream = n.stream`,
    values: [
      chunks.map((chunk) => chunk.attemptId),
      chunks.map((chunk) => chunk.stream),
      int8Array(chunks.map((chunk) => chunk.offset)),
      packed.data,
      int4Array(packed.starts),
      int4Array(packed.lengths),
      receivedAt,
      streams.map((stream) => stream.attemptId),
      streams.map((stream) => stream.stream),
      int8Array(streams.map((stream) => stream.size)),
      int8Array(streams.map((stream) => stream.parsed)),
      streams.map((stream) => stream.inLongLine),
      int8Array(streams.map((stream) => stream.newUnreadableLines)),
      int8Array(chunks.map((chunk) => chunk.firstLine)),
      int8Array(streams.map((stream) => stream.lines)),
      int8Array(streams.map((stream) => stream.insertedBytes)),
      int8Array(streams.map((stream) => stream.insertedLines)),
      streams.map((stream) => stream.hasCutLine),
      int2Array(chunks.map((chunk) => chunk.stored.codec)),
    ],
  });
  freeMemory(packed.data);
}
