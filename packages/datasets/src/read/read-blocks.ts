import { open } from 'node:fs/promises';
import { invalidData } from '../dataset-error.ts';
import { DATASET_LIMITS } from '../dataset-limits.ts';
import { openFailure } from '../source/open-failure.ts';

export const BLOCK_BYTES = 256 * 1024;
const NEWLINE = 10;

/** The bytes of a file in blocks; the next one is read when it is asked for. */
export async function* readBlocks(path: string, signal?: AbortSignal): AsyncGenerator<Buffer, void> {
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw openFailure(path, error);
  });
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(BLOCK_BYTES), 0, BLOCK_BYTES, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

/**
 * Blocks that end where a line does; only the last one may not. A byte order mark is left out.
 * @throws TrainyardError DATASET_INVALID for a line that is too long
 */
export async function* readLineBlocks(path: string, signal?: AbortSignal): AsyncGenerator<Buffer, void> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  let isFirst = true;
  for await (const bytes of readBlocks(path, signal)) {
    const block = isFirst ? withoutMark(bytes) : bytes;
    isFirst = false;
    const end = block.lastIndexOf(NEWLINE) + 1;
    if (end > 0) {
      yield restBytes === 0 ? block.subarray(0, end) : Buffer.concat([...rest, block.subarray(0, end)]);
      rest = [];
      restBytes = 0;
    }
    if (end === block.length) continue;
    rest.push(block.subarray(end));
    restBytes += block.length - end;
    if (restBytes > DATASET_LIMITS.recordBytes) {
      throw invalidData(path, `a line is longer than ${DATASET_LIMITS.recordBytes} bytes`);
    }
  }
  if (restBytes > 0) yield Buffer.concat(rest);
}

/** A byte order mark says nothing in UTF-8. */
export function withoutMark(bytes: Buffer): Buffer {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}
