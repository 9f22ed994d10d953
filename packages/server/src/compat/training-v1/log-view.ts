import { TRAINING_API } from '@trainyard/protocol';
import { logSize, readLogBytes, readLogLines, restoreChunk } from '../../ingest/index.ts';
import type { StoredStream } from '../../ingest/stored-stream.ts';
import type { Database } from '../../store/database.ts';

/** Lines of a job's log, or of another stream, by their numbers. */
export interface LogView {
  readonly lines: readonly string[];
  /** Number of the first line that is given. */
  readonly offset: number;
  readonly totalLines: number;
  /** Number of the oldest line in view. */
  readonly firstOffset: number;
}

const NEWLINE = 10;

/**
 * Lines from number `offset` on. Numbers count from the begin of the log, so they stay what they are while
 * old lines leave the view of the last 10,000; an offset before the view means its first line.
 */
export async function readLogView(
  database: Database,
  attempt: { readonly id: string; readonly hasEnded: boolean },
  { offset, limit }: { readonly offset: number; readonly limit: number },
  stream: StoredStream = 'log',
): Promise<LogView> {
  // Tells when it was removed, whatever is asked for.
  await logSize(database, attempt.id, stream);
  const totalLines = await countLines(database, attempt, stream);
  const firstOffset = Math.max(0, totalLines - TRAINING_API.viewLines);
  const from = Math.min(Math.max(offset, firstOffset), totalLines);
  const wanted = Math.min(limit, totalLines - from);
  const lines: string[] = [];
  let at = wanted === 0 ? 0 : await placeOfLine(database, attempt.id, stream, from);
  while (lines.length < wanted) {
    const left = wanted - lines.length;
    const read = await readLogLines(database, attempt.id, at, left, attempt.hasEnded, stream);
    if (read.lines.length === 0) break;
    lines.push(...read.lines.map(({ text }) => text));
    at = read.nextOffset;
  }
  return { lines, offset: from, totalLines, firstOffset };
}

/** Lines with their ends, and the last one without, once nothing more can come. */
async function countLines(
  database: Database,
  { id, hasEnded }: { readonly id: string; readonly hasEnded: boolean },
  stream: StoredStream,
): Promise<number> {
  const row = await database.kysely
    .selectFrom('streams')
    .select(['lines', 'size'])
    .where('attempt_id', '=', id)
    .where('stream', '=', stream)
    .executeTakeFirst();
  if (row === undefined) return 0;
  if (!hasEnded || row.size === 0) return row.lines;
  const { bytes } = await readLogBytes(database, id, -1, 1, stream);
  return bytes[0] === NEWLINE ? row.lines : row.lines + 1;
}

/** Where line number `line` begins: behind the line end before it, which is in the last chunk that has fewer before it. */
export async function placeOfLine(
  database: Database,
  attemptId: string,
  stream: StoredStream,
  line: number,
): Promise<number> {
  if (line === 0) return 0;
  const chunk = await database.kysely
    .selectFrom('stream_chunks')
    .select(['offset', 'first_line', 'bytes as data', 'codec'])
    .where('attempt_id', '=', attemptId)
    .where('stream', '=', stream)
    .where('first_line', '<', line)
    .orderBy('offset', 'desc')
    .limit(1)
    .executeTakeFirstOrThrow();
  const bytes = await restoreChunk(chunk);
  let at = -1;
  for (let left = line - chunk.first_line; left > 0; left -= 1) at = bytes.indexOf(NEWLINE, at + 1);
  return chunk.offset + at + 1;
}
