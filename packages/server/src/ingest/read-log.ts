import type { Database } from '../store/database.ts';
import { refuseRemoved } from './removed-log.ts';
import type { StoredStream } from './stored-stream.ts';
import { readStream, type StreamPiece } from './stream-sql.ts';

/** A part of an attempt's log, as the process wrote it. */
interface LogPart {
  /** Where `bytes` begin, counted from the begin of the log. */
  readonly offset: number;
  readonly bytes: Buffer;
  /** Size of the whole log so far. */
  readonly size: number;
}

interface LogLine {
  /** Place of the line's first byte. */
  readonly offset: number;
  /** When the server received the line's first byte. */
  readonly time: Date;
  /** As a terminal would show it: without the line's end, of a progress bar its last state. Bytes that are not UTF-8 became U+FFFD. */
  readonly text: string;
  /** Set when the line is longer than MAX_LINE_BYTES: the next item goes on with it. */
  readonly cut?: true;
}

interface LogLines {
  readonly lines: readonly LogLine[];
  /** Where to go on. */
  readonly nextOffset: number;
  readonly size: number;
}

/** Most bytes of one read. */
export const MAX_LOG_READ_BYTES = 4 * 1024 * 1024;
/** Most lines of one read. */
export const MAX_LOG_LINES = 10_000;
/** Longer lines are cut into lines of this length. */
const MAX_LINE_BYTES = 1024 * 1024;
/** Stored chunks that one read touches; with tiny chunks a read answers fewer bytes than were asked for. */
const MAX_CHUNKS_PER_READ = 20_000;
/** Bytes fetched first when lines are read, per line that is asked for. */
const EXPECTED_LINE_BYTES = 256;
const NEWLINE = 10;

/** Bytes of the attempt's log that are stored. @throws TrainyardError LOG_REMOVED */
export async function logSize(
  database: Database,
  attemptId: string,
  stream: StoredStream = 'log',
): Promise<number> {
  const row = await database.kysely
    .selectFrom('streams')
    .select(['size', 'removed_at', 'removed_because'])
    .where('attempt_id', '=', attemptId)
    .where('stream', '=', stream)
    .executeTakeFirst();
  if (row === undefined) return 0;
  refuseRemoved({ ...row, attemptId, stream });
  return row.size;
}

/**
 * At most `limit` bytes (and MAX_LOG_READ_BYTES) of a log, or another stream, from `offset` on; may be fewer although more is stored.
 * @param offset negative: counted from the end; beyond the end: nothing
 */
export async function readLogBytes(
  database: Database,
  attemptId: string,
  offset: number,
  limit: number,
  stream: StoredStream = 'log',
): Promise<LogPart> {
  const size = await logSize(database, attemptId, stream);
  const from = startOffset(offset, size);
  const to = Math.min(size, from + Math.min(limit, MAX_LOG_READ_BYTES));
  const pieces = await readPieces(database, attemptId, from, to, stream);
  return { offset: from, bytes: Buffer.concat(pieces.map((piece) => piece.bytes)), size };
}

/**
 * At most `limit` lines (and MAX_LOG_LINES) from byte `offset` on, a line's begin.
 * @param offset negative: from the first line that begins within so many bytes of the end
 * @param ended whether the log grows no more: only then its last line counts without a line's end
 */
export async function readLogLines(
  database: Database,
  attemptId: string,
  offset: number,
  limit: number,
  ended: boolean,
  stream: StoredStream = 'log',
): Promise<LogLines> {
  const size = await logSize(database, attemptId, stream);
  const most = Math.min(limit, MAX_LOG_LINES);
  // One byte earlier: if that is a line's end, the line right behind it is whole.
  const seeking = offset < 0 && size + offset > 0;
  const from = seeking ? size + offset - 1 : startOffset(offset, size);
  let wanted = Math.min(MAX_LOG_READ_BYTES, Math.max(MAX_LINE_BYTES / 16, most * EXPECTED_LINE_BYTES));
  for (;;) {
    const to = Math.min(size, from + wanted);
    const pieces = await readPieces(database, attemptId, from, to, stream);
    const bytes = Buffer.concat(pieces.map((piece) => piece.bytes));
    const atEnd = ended && from + bytes.length === size;
    const cut = cutLines(bytes, from, { most, seeking, atEnd });
    const found = cut.lines.length > 0 || bytes.length > MAX_LINE_BYTES || to === size;
    if (found || bytes.length < to - from) {
      const lines = cut.lines.map((line) => ({ ...line, time: timeAt(pieces, line.offset) }));
      return { lines, nextOffset: cut.nextOffset, size };
    }
    // With one byte more, so that a cut can see whether it would part a character.
    wanted = MAX_LINE_BYTES + 1;
  }
}

/** The stored bytes between two offsets. */
function readPieces(
  { pool }: Database,
  attemptId: string,
  from: number,
  to: number,
  stream: StoredStream = 'log',
): Promise<StreamPiece[]> {
  return readStream(pool, { attemptId, stream }, from, to, MAX_CHUNKS_PER_READ);
}

interface CutLines {
  readonly lines: readonly Omit<LogLine, 'time'>[];
  readonly nextOffset: number;
}

function cutLines(
  bytes: Buffer,
  base: number,
  options: { readonly most: number; readonly seeking: boolean; readonly atEnd: boolean },
): CutLines {
  const lines: Omit<LogLine, 'time'>[] = [];
  // What stands before the first line's end is the rest of a line that began earlier.
  let at = options.seeking ? bytes.indexOf(NEWLINE) + 1 : 0;
  if (options.seeking && at === 0) return { lines, nextOffset: base + bytes.length };
  while (lines.length < options.most && at < bytes.length) {
    const newline = bytes.indexOf(NEWLINE, at);
    const whole = newline >= 0 && newline - at <= MAX_LINE_BYTES;
    if (!whole && !options.atEnd && bytes.length - at <= MAX_LINE_BYTES) break;
    const end = whole ? newline : Math.min(bytes.length, characterBegin(bytes, at + MAX_LINE_BYTES));
    const text = displayLine(bytes.toString('utf8', at, end));
    const isCut = !whole && end < bytes.length;
    lines.push({ offset: base + at, text, ...(isCut ? { cut: true } : {}) });
    at = whole ? end + 1 : end;
  }
  return { lines, nextOffset: base + at };
}

/** What a carriage return left: programs that draw progress bars begin the line again with it. */
function displayLine(text: string): string {
  if (!text.includes('\r')) return text;
  return text.split('\r').findLast((state) => state !== '') ?? '';
}

/** The place at or shortly before `at` where no UTF-8 character is cut in two. */
function characterBegin(bytes: Buffer, at: number): number {
  let begin = at;
  while (begin > at - 4 && begin < bytes.length && (bytes[begin]! & 0xc0) === 0x80) begin -= 1;
  return begin;
}

function timeAt(pieces: readonly StreamPiece[], offset: number): Date {
  let low = 0;
  let high = pieces.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (pieces[middle]!.offset <= offset) low = middle;
    else high = middle - 1;
  }
  return pieces[low]!.receivedAt;
}

function startOffset(offset: number, size: number): number {
  return offset < 0 ? Math.max(0, size + offset) : Math.min(offset, size);
}
