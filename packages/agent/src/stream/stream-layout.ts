import { z } from 'zod';

/** Bytes that may be sent before the position is written down again. */
export const RESERVED_BYTES = 64 * 1024 * 1024;

/** A stretch of a stream: a note of ours, which may be empty, and bytes of the file. It ends where the next begins. */
const segment = z.object({
  /** Where it begins in the stream. */
  from: z.int().min(0),
  /** Text that tells that bytes are missing before it, or why. */
  note: z.string(),
  /** Bytes that the note tells of. */
  gapBytes: z.int().min(0),
  /** Offset in the stream at which byte 0 of the file would stand; negative when bytes were left out. */
  base: z.int(),
});
export type StreamSegment = z.infer<typeof segment>;

/**
 * Where a stream of an attempt stands, and how the bytes of its file lie in it. The stream is what the server
 * has. What was sent is kept in segments until the server has said that it has it.
 */
export const streamPosition = z.preprocess(
  fromOlderAgent,
  z.object({
    /** Offset in the server's stream of the next byte to send. */
    sent: z.int().min(0),
    /** In the order of the stream; before the first of them nothing can be sent any more. */
    segments: z.array(segment).min(1),
    /** No byte behind this offset was sent, whatever happened after this was written. */
    reserved: z.int().min(0).default(RESERVED_BYTES),
    /** Bytes of the file that the server has not got and will not get. */
    droppedBytes: z.int().min(0).default(0),
    /** The limit of the log is reached: only its last lines are still to come. */
    isCapped: z.boolean().default(false),
    /** Which file it is; see ByteSource. */
    identity: z.string().optional(),
  }),
);
export type StreamPosition = z.infer<typeof streamPosition>;

export const START_OF_STREAM: StreamPosition = streamPosition.parse({ sent: 0, base: 0 });

/** What is to be sent next. */
export type Piece =
  | { readonly kind: 'note'; readonly bytes: Uint8Array; readonly isGap: boolean }
  /** Bytes of the file from `fileOffset` on, at most `mostBytes`. */
  | { readonly kind: 'file'; readonly fileOffset: number; readonly mostBytes: number };

export function nextPiece({ sent, segments }: StreamPosition): Piece {
  const index = segments.findLastIndex(({ from }) => from <= sent);
  const current = segments[index]!;
  const end = segments[index + 1]?.from ?? Number.MAX_SAFE_INTEGER;
  if (sent < noteEnd(current)) {
    return {
      kind: 'note',
      bytes: Buffer.from(current.note).subarray(sent - current.from, end - current.from),
      isGap: current.gapBytes > 0,
    };
  }
  return { kind: 'file', fileOffset: sent - current.base, mostBytes: end - sent };
}

/** First byte of the file that the server has not got, of those that it will get. */
export function nextFileOffset({ sent, segments }: StreamPosition): number {
  const current = segments.findLast(({ from }) => from <= sent) ?? segments[0]!;
  return Math.max(sent, noteEnd(current)) - current.base;
}

/** First byte of the file behind all that was sent or left out. */
export function openFileOffset({ sent, segments }: StreamPosition): number {
  const last = segments.at(-1)!;
  return Math.max(sent, noteEnd(last)) - last.base;
}

/**
 * The server has the stream up to `size`.
 * @param lostNote text for a number of bytes that cannot be sent again
 */
export function acknowledged(
  position: StreamPosition,
  size: number,
  lostNote: (lostBytes: number) => string,
): StreamPosition {
  const { segments } = position;
  const first = segments[0]!;
  if (size >= first.from) {
    const open = segments.filter((_, index) => (segments[index + 1]?.from ?? size + 1) > size);
    return { ...position, sent: size, segments: open };
  }
  const lost = first.from - size;
  const text = lostNote(lost);
  const shift = Buffer.byteLength(text) - lost;
  const shifted = segments.map((one) => ({ ...one, from: one.from + shift, base: one.base + shift }));
  shifted[0] = { ...shifted[0]!, from: size, note: text + first.note, gapBytes: first.gapBytes + lost };
  return { ...position, sent: size, segments: shifted, droppedBytes: position.droppedBytes + lost };
}

/** The file was truncated or replaced: its content follows on what was sent, which has all arrived. */
export function restarted(position: StreamPosition, identity: string | undefined): StreamPosition {
  const { sent, segments } = position;
  const text = segments
    .map(({ from, note }) =>
      Buffer.from(note)
        .subarray(Math.max(0, sent - from))
        .toString(),
    )
    .join('');
  const next = { from: sent, note: text, gapBytes: 0, base: sent + Buffer.byteLength(text) };
  return { ...position, segments: [next], identity };
}

/** Puts a note behind what was sent; the file goes on where it stood. */
export function noted(position: StreamPosition, attempted: number, note: string): StreamPosition {
  const last = position.segments.at(-1)!;
  const from = Math.max(position.sent, attempted, noteEnd(last));
  const next = { from, note, gapBytes: 0, base: last.base + Buffer.byteLength(note) };
  return { ...position, segments: [...position.segments, next] };
}

/**
 * Leaves out the bytes of the file up to `to`, except for those that may have been sent, and puts a note
 * where they would stand.
 * @param attempted offset in the stream up to which bytes may be at the server, although it has not said so
 * @param note text for a number of missing bytes
 */
export function skipped(
  position: StreamPosition,
  to: number,
  attempted: number,
  note: (gapBytes: number) => string,
): StreamPosition {
  const last = position.segments.at(-1)!;
  const reached = Math.max(position.sent, attempted);
  // A note that nobody has seen yet grows; behind one that may have been sent comes another.
  const grows = last.gapBytes > 0 && reached <= last.from;
  const from = grows ? last.from : Math.max(reached, noteEnd(last));
  const gap = to - ((grows ? noteEnd(last) : from) - last.base);
  if (gap <= 0) return position;
  const gapBytes = gap + (grows ? last.gapBytes : 0);
  const text = note(gapBytes);
  const next = { from, note: text, gapBytes, base: from + Buffer.byteLength(text) - to };
  const kept = grows ? position.segments.slice(0, -1) : position.segments;
  return { ...position, segments: [...kept, next], droppedBytes: position.droppedBytes + gap };
}

/** The bytes of the file before `to`, which are all at the server, are about to be removed from the disk. */
export function freed(position: StreamPosition, to: number): StreamPosition {
  const [first, second] = position.segments;
  const from = first!.base + to;
  if (second !== undefined || from <= noteEnd(first!) || from > position.sent) return position;
  return { ...position, segments: [{ ...first!, from, note: '', gapBytes: 0 }] };
}

/** The server will never take the note that is to be sent next. */
export function withoutNote(position: StreamPosition): StreamPosition {
  const { sent, segments } = position;
  const index = segments.findLastIndex(({ from }) => from <= sent);
  const current = segments[index]!;
  const rest = noteEnd(current) - sent;
  const changed = segments.map((one, at) => {
    if (at < index) return one;
    if (at === index) return { ...one, from: sent, note: '', base: one.base - rest };
    return { ...one, from: one.from - rest, base: one.base - rest };
  });
  return { ...position, segments: changed };
}

function noteEnd({ from, note }: StreamSegment): number {
  return from + Buffer.byteLength(note);
}

/** Before there were segments a position was `{sent, base}`. */
function fromOlderAgent(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('base' in value)) return value;
  const { base } = value;
  return { ...value, segments: [{ from: base, note: '', gapBytes: 0, base }] };
}
