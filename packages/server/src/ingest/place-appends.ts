import { TrainyardError } from '@trainyard/protocol';
import type { ClientBase } from 'pg';
import { countLineEnds, type Placement, placeAppend, placeLines } from './append-placement.ts';
import type { Append, AppendOutcome } from './append-transaction.ts';
import { prepareChunks } from './chunk-bytes.ts';
import { type LockedStream, type NewChunk, readStreamBytes, type StreamEnd } from './stream-sql.ts';

/** Finds the place of each append of a stream; what has none is refused among the outcomes. */
export async function placeAppends(
  client: ClientBase,
  group: readonly Append[],
  row: LockedStream,
  outcomes: Map<Append, AppendOutcome>,
): Promise<{ end: StreamEnd; pieces: NewChunk[] }> {
  const pieces: NewChunk[] = [];
  const { size, lines, insertedBytes, insertedLines, hasCutLine } = row;
  const end = { size, lines, insertedBytes, insertedLines, hasCutLine };
  for (const each of group) {
    const placement = place(each, end);
    if (placement.kind === 'gap') {
      outcomes.set(each, { ok: false, error: gap(each, ownEnd(each, end)) });
      continue;
    }
    if (placement.kind === 'new') {
      let bytes = placement.skip === 0 ? each.bytes : each.bytes.subarray(placement.skip);
      if (each.offset === 'beside') {
        end.insertedLines += countLineEnds(bytes);
        if (!(await endsWithLine(client, row, pieces.at(-1)))) {
          bytes = Buffer.concat([LINE_END, bytes]);
          end.hasCutLine = true;
        }
        end.insertedBytes += bytes.length;
      } else if (end.hasCutLine && bytes.length > 0) {
        // The end of the line that was ended for its sender: it stands there already.
        if (bytes[0] === LINE_END[0]) {
          bytes = bytes.subarray(1);
          end.insertedBytes -= 1;
        }
        end.hasCutLine = false;
      }
      const { attemptId, stream, prepared } = each;
      const isWhole = bytes === each.bytes && prepared !== undefined;
      for (const chunk of await (isWhole ? prepared : prepareChunks(bytes))) {
        const { lines: linesOfChunk, ...toStore } = chunk;
        pieces.push({ attemptId, stream, ...toStore, offset: end.size, firstLine: end.lines });
        end.size += chunk.bytes.length;
        end.lines += linesOfChunk;
      }
    }
    outcomes.set(each, { ok: true, size: ownEnd(each, end).size, lines: end.lines });
  }
  return { end, pieces };
}

function place(each: Append, end: StreamEnd): Placement {
  const { offset, firstLine, bytes } = each;
  const own = ownEnd(each, end);
  return typeof offset === 'number'
    ? placeAppend(own.size, offset, bytes.length)
    : placeLines(own.lines, firstLine ?? own.lines, bytes);
}

/** Where the stream ends for this sender, who knows nothing of what others put in. */
function ownEnd({ offset }: Append, { size, lines, insertedBytes, insertedLines }: StreamEnd) {
  return offset === 'beside'
    ? { size: insertedBytes, lines: insertedLines }
    : { size: size - insertedBytes, lines: lines - insertedLines };
}

const LINE_END = Buffer.from('\n');

/** A line that its sender has begun is ended before another one is put behind it. */
async function endsWithLine(
  client: ClientBase,
  row: LockedStream,
  last: NewChunk | undefined,
): Promise<boolean> {
  if (row.size === 0 && last === undefined) return true;
  const bytes = last?.bytes ?? (await readStreamBytes(client, row, row.size - 1, row.size));
  return bytes.at(-1) === LINE_END[0];
}

function gap(append: Append, stored: { readonly size: number; readonly lines: number }): TrainyardError {
  const { attemptId, stream, offset, firstLine } = append;
  const message =
    typeof offset !== 'number'
      ? `The ${stream} of attempt ${attemptId} has ${stored.lines} lines; line ${firstLine} and on would leave a gap. Send again from ${stored.lines}.`
      : `The ${stream} of attempt ${attemptId} is stored up to byte ${stored.size}; bytes from ${offset} on would leave a gap. Send again from ${stored.size}.`;
  return new TrainyardError('STREAM_GAP', message, {
    details: typeof offset !== 'number' ? stored : { size: stored.size },
  });
}
