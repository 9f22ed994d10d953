import type { Data } from 'apache-arrow';
import { type DatasetValue, wholeNumber } from '../dataset-value.ts';
import { ARROW, type ArrowType } from './arrow-types.ts';
import { dayText, decimalText, timestampText, timeText } from './temporal-text.ts';

type ReadCell = (index: number) => DatasetValue;

/** A column or part of one in a record batch: buffers as the format has them. */
interface ArrowData {
  readonly type: ArrowType;
  readonly offset: number;
  readonly length: number;
  readonly nullCount: number;
  readonly values: Uint8Array | Uint16Array | BigInt64Array;
  readonly valueOffsets: Int32Array | BigInt64Array;
  readonly children: readonly ArrowData[];
  readonly dictionary?: { readonly data: readonly ArrowData[] };
  getValid(index: number): boolean;
}

const PER_SECOND = [1n, 1000n, 1_000_000n, 1_000_000_000n] as const;

/** Reads cells straight from the buffers: exact where the library's own accessors round. */
export function cellReader(data: Data): ReadCell {
  return reader(data as unknown as ArrowData);
}

function reader(data: ArrowData): ReadCell {
  const read = valueReader(data);
  if (data.nullCount === 0) return read;
  return (index) => (data.getValid(index) ? read(index) : null);
}

function valueReader(data: ArrowData): ReadCell {
  const { type, values } = data;
  switch (type.typeId) {
    case ARROW.null:
      return () => null;
    case ARROW.boolean:
      return (index) => {
        const bit = index + data.offset;
        return ((Number(values[bit >> 3]) >> (bit & 7)) & 1) === 1;
      };
    case ARROW.int:
      return intReader(type, values);
    case ARROW.float:
      return type.precision === 0
        ? (index) => halfFloat(Number(values[index]))
        : (index) => Number(values[index]);
    case ARROW.text:
    case ARROW.largeText:
      return bytesReader(data, (bytes) => bytes.toString('utf8'));
    case ARROW.binary:
    case ARROW.largeBinary:
      return bytesReader(data, (bytes) => Uint8Array.from(bytes));
    case ARROW.fixedBinary: {
      const bytes = bytesOf(values);
      return (index) => Uint8Array.from(bytes.subarray(index * type.byteWidth, (index + 1) * type.byteWidth));
    }
    case ARROW.dictionary:
      return dictionaryReader(data);
    default:
      return temporalReader(type, values) ?? nestedReader(data);
  }
}

function intReader(type: ArrowType, values: ArrowData['values']): ReadCell {
  if (type.bitWidth < 64) return (index) => Number(values[index]);
  return (index) => wholeNumber(BigInt(values[index]!));
}

function temporalReader(type: ArrowType, values: ArrowData['values']): ReadCell | undefined {
  const bytes = bytesOf(values);
  const int32 = (index: number): bigint => BigInt(bytes.readInt32LE(index * 4));
  const int64 = (index: number): bigint => bytes.readBigInt64LE(index * 8);
  const perSecond = PER_SECOND[type.unit] ?? 1n;
  switch (type.typeId) {
    case ARROW.date:
      return type.unit === 0
        ? (index) => dayText(int32(index))
        : (index) => dayText(int64(index) / 86_400_000n);
    case ARROW.time: {
      const read = type.bitWidth === 32 ? int32 : int64;
      return (index) => timeText(read(index), perSecond);
    }
    case ARROW.timestamp: {
      const hasZone = type.timezone !== null && type.timezone !== undefined;
      return (index) => timestampText(int64(index), perSecond, hasZone);
    }
    case ARROW.duration:
      return (index) => wholeNumber(int64(index));
    case ARROW.decimal: {
      const width = type.bitWidth / 8;
      return (index) =>
        decimalText(signedInteger(bytes.subarray(index * width, (index + 1) * width)), type.scale);
    }
    default:
      return undefined;
  }
}

function nestedReader(data: ArrowData): ReadCell {
  const { type, children } = data;
  const parts = children.map(reader);
  switch (type.typeId) {
    case ARROW.list:
    case ARROW.largeList:
    case ARROW.map: {
      const { valueOffsets } = data;
      return (index) => range(parts[0]!, Number(valueOffsets[index]), Number(valueOffsets[index + 1]));
    }
    case ARROW.fixedList:
      return (index) =>
        range(parts[0]!, (index + data.offset) * type.listSize, (index + data.offset + 1) * type.listSize);
    case ARROW.struct: {
      const names = (type.children ?? []).map(({ name }) => name);
      return (index) => Object.fromEntries(names.map((name, part) => [name, parts[part]!(index)]));
    }
    default:
      throw new RangeError(`the Arrow type ${type} is not read`);
  }
}

function dictionaryReader({ values, dictionary }: ArrowData): ReadCell {
  const words = (dictionary?.data ?? []).flatMap((data) => range(reader(data), 0, data.length));
  return (index) => words[Number(values[index])] ?? null;
}

function range(read: ReadCell, from: number, to: number): DatasetValue[] {
  return Array.from({ length: to - from }, (_, index) => read(from + index));
}

function bytesReader({ values, valueOffsets }: ArrowData, make: (bytes: Buffer) => DatasetValue): ReadCell {
  const bytes = bytesOf(values);
  return (index) => make(bytes.subarray(Number(valueOffsets[index]), Number(valueOffsets[index + 1])));
}

function bytesOf(values: ArrowData['values']): Buffer {
  return values === undefined
    ? Buffer.alloc(0)
    : Buffer.from(values.buffer, values.byteOffset, values.byteLength);
}

/** Little-endian, two's complement. */
function signedInteger(bytes: Buffer): bigint {
  let value = 0n;
  for (let at = bytes.length - 8; at >= 0; at -= 8) {
    value = (value << 64n) | bytes.readBigUInt64LE(at);
  }
  return BigInt.asIntN(bytes.length * 8, value);
}

/** IEEE 754 binary16. */
function halfFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
