import { open } from 'node:fs/promises';
import { maskedCrc32c } from '@trainyard/training/crc32c';

/** Longer records are no events that anybody wrote. */
const MAX_RECORD_BYTES = 256 * 1024 * 1024;
const READ_BYTES = 1024 * 1024;
const HEAD_BYTES = 12;
const TAIL_BYTES = 4;

/** How the records of a file ended: `cut` in the middle of one, as the file of a writer that was killed. */
export type RecordsEnd = 'whole' | 'cut' | 'damaged';

/**
 * Reads TFRecords, the framing of TensorBoard's event files: length (uint64), masked CRC-32C of it, data, masked
 * CRC-32C of the data, all little-endian. Reads up to the first record that is not whole; what comes behind a damaged
 * one cannot be told from noise.
 */
export async function* eventRecords(file: string): AsyncGenerator<Uint8Array, RecordsEnd> {
  const handle = await open(file, 'r');
  try {
    let held = Buffer.alloc(0);
    const fill = async (wanted: number): Promise<boolean> => {
      while (held.length < wanted) {
        const room = Buffer.allocUnsafe(Math.max(READ_BYTES, wanted - held.length));
        const { bytesRead } = await handle.read(room, 0, room.length);
        if (bytesRead === 0) return false;
        held = Buffer.concat([held, room.subarray(0, bytesRead)]);
      }
      return true;
    };
    for (;;) {
      if (!(await fill(HEAD_BYTES))) return held.length === 0 ? 'whole' : 'cut';
      const length = held.readBigUInt64LE(0);
      const isDamaged = maskedCrc32c(held.subarray(0, 8)) !== held.readUInt32LE(8);
      if (isDamaged || length > MAX_RECORD_BYTES) return 'damaged';
      const end = HEAD_BYTES + Number(length);
      if (!(await fill(end + TAIL_BYTES))) return 'cut';
      const data = held.subarray(HEAD_BYTES, end);
      if (maskedCrc32c(data) !== held.readUInt32LE(end)) return 'damaged';
      yield data;
      held = held.subarray(end + TAIL_BYTES);
    }
  } finally {
    await handle.close();
  }
}
