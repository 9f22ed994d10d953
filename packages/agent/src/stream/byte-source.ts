import type { ChunkRoom } from './chunk-room.ts';

/** What one look at a growing file found. */
export interface SourceLook {
  /** Which file it is, such as its inode: another one means that the file was replaced. */
  readonly identity: string;
  /** Bytes that the file has in all. Less than before means that it was truncated. */
  readonly size: number;
  /** The bytes from the place on that was asked for; empty when the file has no more. */
  readonly bytes: Uint8Array;
}

/** A file that a program appends to, on this machine or on another one. Used by one caller at a time. */
export interface ByteSource {
  /** For messages: the path, with its host if that is another one. */
  readonly name: string;
  /**
   * Reads at most `maxBytes` from byte `offset` on. Identity, size and bytes are those of one file. When the
   * path leads to another file by now, the old one is read to its end first, where that is possible.
   * The bytes are good as long as the room that they may be read into.
   * @returns `undefined` while there is no such file
   * @throws when the file cannot be reached now; the caller looks again later
   */
  look(offset: number, maxBytes: number, room?: ChunkRoom): Promise<SourceLook | undefined>;
  /**
   * The same as before only while the file has the same content; `undefined` when that is not known. Left out: only
   * a look tells.
   */
  stamp?(): string | undefined;
  /**
   * Resolves when the file has probably grown since the last look, at the latest after `ms`, or when `wake`
   * fires. Never rejects.
   */
  waitForMore(ms: number, wake: AbortSignal): Promise<void>;
  /**
   * Gives the disk space of the bytes from `from` up to `to` back; the file keeps its size. Left out: not
   * possible. @throws when the file system cannot do it
   */
  free?(from: number, to: number): Promise<void>;
  close(): Promise<void>;
}

/** The first begin of a line from `offset` on, if one is near; else `offset`. */
export async function lineBeginFrom(source: ByteSource, offset: number): Promise<number> {
  if (offset <= 0) return offset;
  // One byte earlier: if that is a line's end, the line begins right here.
  const look = await source.look(offset - 1, LINE_SEARCH_BYTES).catch(() => undefined);
  const at = look?.bytes.indexOf(NEWLINE) ?? -1;
  return at < 0 ? offset : offset + at;
}

const LINE_SEARCH_BYTES = 64 * 1024;
const NEWLINE = 10;
