import { maskedCrc32c } from './crc32c.ts';

/**
 * Frames data as one record of an event file (TFRecord): its length as 8 bytes, the masked checksum of those, the
 * data, its masked checksum; all numbers little-endian.
 */
export function framedRecord(data: Uint8Array): Buffer {
  const record = Buffer.allocUnsafe(LENGTH_BYTES + CHECKSUM_BYTES + data.length + CHECKSUM_BYTES);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(maskedCrc32c(record.subarray(0, LENGTH_BYTES)), LENGTH_BYTES);
  record.set(data, LENGTH_BYTES + CHECKSUM_BYTES);
  record.writeUInt32LE(maskedCrc32c(data), LENGTH_BYTES + CHECKSUM_BYTES + data.length);
  return record;
}

const LENGTH_BYTES = 8;
const CHECKSUM_BYTES = 4;
