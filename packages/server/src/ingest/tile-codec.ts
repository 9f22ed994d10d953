import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { PointsSummary } from './points.ts';

/** Numbers of a bucket, in this order; min and max of a bucket without finite values are NaN. */
const FIELDS: readonly (keyof PointsSummary)[] = [
  ...(['count', 'nans', 'positives', 'negatives', 'firstStep', 'lastStep'] as const),
  ...(['firstTime', 'lastTime', 'firstValue', 'lastValue', 'min', 'max', 'sum'] as const),
];
/** Bounds what a damaged tile can become: 256 buckets and a little. */
const MAX_TILE_BYTES = 64 * 1024;

const LEVEL_1 = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** Buckets of a tile, column by column. */
export function encodeTile(buckets: readonly PointsSummary[]): Buffer {
  const numbers = new Float64Array(buckets.length * FIELDS.length);
  for (const [index, bucket] of buckets.entries())
    for (const [field, name] of FIELDS.entries())
      numbers[field * buckets.length + index] = bucket[name] ?? Number.NaN;
  return zstdCompressSync(new Uint8Array(numbers.buffer), LEVEL_1);
}

export function decodeTile(data: Buffer): PointsSummary[] {
  const bytes = zstdDecompressSync(data, { maxOutputLength: MAX_TILE_BYTES });
  const numbers = new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const count = numbers.length / FIELDS.length;
  if (!Number.isInteger(count)) throw new Error('a tile of a chart has an odd length');
  const at = (field: number, index: number) => numbers[field * count + index]!;
  return Array.from({ length: count }, (_, index) => ({
    count: at(0, index),
    nans: at(1, index),
    positives: at(2, index),
    negatives: at(3, index),
    firstStep: at(4, index),
    lastStep: at(5, index),
    firstTime: at(6, index),
    lastTime: at(7, index),
    firstValue: at(8, index),
    lastValue: at(9, index),
    min: Number.isNaN(at(10, index)) ? null : at(10, index),
    max: Number.isNaN(at(11, index)) ? null : at(11, index),
    sum: at(12, index),
  }));
}
