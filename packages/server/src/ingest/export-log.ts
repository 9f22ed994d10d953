import type { Database } from '../store/database.ts';
import { logSize, MAX_LOG_LINES, readLogBytes, readLogLines } from './read-log.ts';

/** Bytes of one piece of a download. */
const PIECE_BYTES = 1024 * 1024;
const CUT_MARK = ' [trainyard] the line is longer than 1 MiB and was cut here';

/** The log of an attempt as its process wrote it, up to where it reaches now. */
export async function* exportLogBytes(database: Database, attemptId: string): AsyncGenerator<Buffer> {
  const size = await logSize(database, attemptId);
  for (let offset = 0; offset < size; ) {
    const part = await readLogBytes(database, attemptId, offset, Math.min(PIECE_BYTES, size - offset));
    if (part.bytes.length === 0) return;
    offset = part.offset + part.bytes.length;
    yield part.bytes;
  }
}

/**
 * The same for people: each line begins with the time at which the server received it, such as
 * `[2026-05-04 03:02:01] `, in UTC. Progress bars are lines of their last state.
 */
export async function* exportLogText(database: Database, attemptId: string): AsyncGenerator<string> {
  const size = await logSize(database, attemptId);
  for (let offset = 0; offset < size; ) {
    // As if the log had ended: its last line is given without its end.
    const part = await readLogLines(database, attemptId, offset, MAX_LOG_LINES, true);
    if (part.nextOffset === offset) return;
    offset = part.nextOffset;
    const lines = part.lines.map(
      ({ time, text, cut }) => `${timePrefix(time)}${text}${cut === true ? CUT_MARK : ''}\n`,
    );
    yield lines.join('');
  }
}

function timePrefix(time: Date): string {
  const text = time.toISOString();
  return `[${text.slice(0, 10)} ${text.slice(11, 19)}] `;
}
