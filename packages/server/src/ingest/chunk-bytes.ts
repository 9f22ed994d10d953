import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import { freeAllAround } from '../free-memory.ts';
import { countLineEnds } from './append-placement.ts';

/** How the bytes of a chunk of a stream are stored; the number stands beside them. */
const CODEC = { plain: 0, zstd: 1 } as const;

export interface StoredBytes {
  readonly codec: number;
  readonly data: Buffer;
}

/** Most bytes of one stored chunk: what has to be restored to read one line of it. */
const MAX_STORED_CHUNK_BYTES = 256 * 1024;
/** Fewer bytes are not worth the call. */
const SMALLEST_COMPRESSED_BYTES = 2048;
/** Bounds what a damaged chunk can become. */
const MAX_RESTORED_BYTES = 64 * 1024 * 1024;

/** Of the memory into which is compressed and restored. */
const LEAST_PIECE_BYTES = 4096;

const compress = promisify(zstdCompress);
const restore = promisify(zstdDecompress);
const PARAMS = { [constants.ZSTD_c_compressionLevel]: 1 };

/** Logs and lines of metrics become a fifth to a seventh, off the main thread, for less than storing them plain costs. */
async function compressChunk(bytes: Buffer): Promise<StoredBytes> {
  if (bytes.length < SMALLEST_COMPRESSED_BYTES) return { codec: CODEC.plain, data: bytes };
  // Each piece of the result is a turn of a thread: most results are one.
  const data = await compress(bytes, {
    params: PARAMS,
    pledgedSrcSize: bytes.length,
    chunkSize: Math.max(LEAST_PIECE_BYTES, bytes.length >> 2),
  });
  return data.length < bytes.length ? { codec: CODEC.zstd, data } : { codec: CODEC.plain, data: bytes };
}

export async function restoreChunk({ codec, data }: StoredBytes): Promise<Buffer> {
  if (codec === CODEC.plain) return data;
  if (codec !== CODEC.zstd) throw new Error(`unknown codec ${codec} of a chunk of a stream`);
  const chunkSize = Math.min(MAX_STORED_CHUNK_BYTES, Math.max(LEAST_PIECE_BYTES, data.length * 8));
  return restore(data, { maxOutputLength: MAX_RESTORED_BYTES, chunkSize });
}

/** Bytes of a chunk as they were sent, and as they are to be stored. */
export interface PreparedChunk {
  readonly bytes: Buffer;
  /** Line ends in it. */
  readonly lines: number;
  readonly stored: StoredBytes;
}

/** Gives back the memory of what was compressed, when it is stored. */
export function freeStored({ stored }: PreparedChunk): void {
  if (stored.codec !== CODEC.plain) freeAllAround(stored.data);
}

export function prepareChunks(bytes: Buffer): Promise<PreparedChunk[]> {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += MAX_STORED_CHUNK_BYTES)
    parts.push(bytes.subarray(at, at + MAX_STORED_CHUNK_BYTES));
  const stored = parts.map(compressChunk);
  // Counted while other threads compress, and before the transaction that needs it.
  const lines = parts.map(countLineEnds);
  return Promise.all(
    parts.map(async (part, at) => ({ bytes: part, lines: lines[at]!, stored: await stored[at]! })),
  );
}
