/**
 * Fields of messages in the wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding), as far as
 * event files need them. A message is its fields, one behind the other.
 */
export const field = {
  /** `int32`, `int64`, enums and booleans; negative numbers as 64 bits. */
  integer: (number: number, value: number): Buffer => Buffer.concat([tag(number, VARINT), varint(value)]),
  double: (number: number, value: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleLE(value);
    return Buffer.concat([tag(number, FIXED64), bytes]);
  },
  float: (number: number, value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeFloatLE(value);
    return Buffer.concat([tag(number, FIXED32), bytes]);
  },
  bytes: (number: number, value: Uint8Array): Buffer =>
    Buffer.concat([tag(number, LENGTH_DELIMITED), varint(value.length), value]),
  text: (number: number, value: string): Buffer => field.bytes(number, Buffer.from(value, 'utf8')),
  message: (number: number, ...fields: readonly Uint8Array[]): Buffer =>
    field.bytes(number, Buffer.concat(fields)),
  packedDoubles: (number: number, values: readonly number[]): Buffer => {
    const bytes = Buffer.alloc(values.length * 8);
    for (const [index, value] of values.entries()) bytes.writeDoubleLE(value, index * 8);
    return field.bytes(number, bytes);
  },
};

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;
const FIXED32 = 5;

function tag(number: number, wireType: number): Buffer {
  return varint(number * 8 + wireType);
}

/** Seven bits a byte, the lowest first; the highest bit says that more follow. @throws RangeError for a fraction */
function varint(value: number): Buffer {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}
