/**
 * Arrays in PostgreSQL's binary form (src/backend/utils/adt/arrayfuncs.c, array_recv): the driver sends
 * buffers as binary parameters. Neither side formats or parses numbers, and NaN, the infinities and -0 are
 * kept. The parameter has to be of the array's type: `$1::float8[]`.
 */
export function int8Array(numbers: readonly (number | null)[]): Buffer {
  return binaryArray(INT8, numbers, (at, value, view) => {
    view.setInt32(at, Math.floor(value / 2 ** 32));
    view.setUint32(at + 4, value >>> 0);
  });
}

export function int4Array(numbers: readonly (number | null)[]): Buffer {
  return binaryArray(INT4, numbers, (at, value, view) => view.setInt32(at, value));
}

export function int2Array(numbers: readonly (number | null)[]): Buffer {
  return binaryArray(INT2, numbers, (at, value, view) => view.setInt16(at, value));
}

export function float8Array(numbers: readonly (number | null)[]): Buffer {
  return binaryArray(FLOAT8, numbers, (at, value, view) => view.setFloat64(at, value));
}

/** Type ids of pg_type.dat, and bytes of a value. */
const INT8 = { oid: 20, size: 8 };
const INT4 = { oid: 23, size: 4 };
const INT2 = { oid: 21, size: 2 };
const FLOAT8 = { oid: 701, size: 8 };
const HEADER_BYTES = 20;
const IS_NULL = -1;

function binaryArray(
  type: { readonly oid: number; readonly size: number },
  numbers: readonly (number | null)[],
  write: (at: number, value: number, view: DataView) => void,
): Buffer {
  const { oid, size } = type;
  const bytes = new Uint8Array(HEADER_BYTES + numbers.length * (4 + size));
  const view = new DataView(bytes.buffer);
  // An empty array has no dimension.
  view.setInt32(0, numbers.length === 0 ? 0 : 1);
  view.setInt32(8, oid);
  view.setInt32(12, numbers.length);
  view.setInt32(16, 1);
  let at = numbers.length === 0 ? HEADER_BYTES - 8 : HEADER_BYTES;
  let hasNulls = 0;
  for (const value of numbers) {
    view.setInt32(at, value === null ? IS_NULL : size);
    at += 4;
    if (value === null) {
      hasNulls = 1;
      continue;
    }
    write(at, value, view);
    at += size;
  }
  view.setInt32(4, hasNulls);
  return Buffer.from(bytes.buffer, 0, at);
}

/** Many byte strings as one parameter, which the driver sends as bytes, with 1-based begins and lengths. */
export function packBytes(parts: readonly Uint8Array[]): {
  data: Buffer;
  starts: number[];
  lengths: number[];
} {
  const starts: number[] = [];
  const lengths: number[] = [];
  let at = 1;
  for (const part of parts) {
    starts.push(at);
    lengths.push(part.length);
    at += part.length;
  }
  return { data: Buffer.concat(parts), starts, lengths };
}
