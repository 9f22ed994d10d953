import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Points } from './points.ts';

/** How the body of a chunk is stored; the number is written beside it. */
export const CODEC = { plain: 0, deflate: 1 } as const;

/** An encoded group of points; the number of points is stored beside it, as it is in the chunk's row. */
export interface EncodedPoints {
  readonly codec: number;
  readonly data: Buffer;
}

/** Bodies below this size are not worth the call of deflate. */
const SMALLEST_DEFLATED_BYTES = 192;
/** A column takes at most 8 bytes a point; this bounds what a damaged chunk can inflate to. */
const MAX_BYTES_PER_POINT = 32;
const MAX_DECIMALS = 6;

/**
 * Encodes sorted points as columns: a byte of modes, then steps, times and values. Integer columns (steps,
 * times in microseconds, values with few decimals) become a constant difference or 32-bit differences;
 * other values stay 32- or 64-bit floats. Numbers are stored byte plane by byte plane, which is what makes
 * deflate effective on them. Decoding gives back every value bit for bit (NaN as the one NaN).
 */
export function encodePoints(points: Points): EncodedPoints {
  const steps = encodeIntegers(points.steps) ?? encodeFloats64(points.steps);
  const times = encodeTimes(points.times);
  const values = encodeValues(points.values);
  const modes = steps.mode | (times.mode << 2) | (values.mode << 4);
  const body = Buffer.concat([Uint8Array.of(modes), ...steps.parts, ...times.parts, ...values.parts]);
  if (body.length < SMALLEST_DEFLATED_BYTES) return { codec: CODEC.plain, data: body };
  const deflated = deflateRawSync(body, { level: 1 });
  return deflated.length < body.length
    ? { codec: CODEC.deflate, data: deflated }
    : { codec: CODEC.plain, data: body };
}

/** @param count points in the chunk, from its row */
export function decodePoints({ codec, data }: EncodedPoints, count: number): Points {
  if (codec !== CODEC.plain && codec !== CODEC.deflate) throw new Error(`unknown chunk codec ${codec}`);
  const body =
    codec === CODEC.plain
      ? data
      : inflateRawSync(data, { maxOutputLength: 64 + count * MAX_BYTES_PER_POINT });
  const modes = body[0]!;
  const reader: Reader = { body, at: 1, count };
  const steps = decodeColumn(reader, modes & 3);
  const times = decodeColumn(reader, (modes >> 2) & 3);
  if (((modes >> 2) & 3) !== MODE.floats64) for (let i = 0; i < count; i++) times[i] = times[i]! / 1000;
  const valueMode = (modes >> 4) & 3;
  const values = valueMode === VALUE_MODE.decimals ? decodeDecimals(reader) : decodeValues(reader, valueMode);
  return { steps, times, values };
}

/** Modes of the columns of steps and times. */
const MODE = { constantDifference: 0, differences32: 1, floats64: 2 } as const;
/** Modes of the column of values. */
const VALUE_MODE = { constant: 0, decimals: 1, floats64: 2, floats32: 3 } as const;

interface Column {
  readonly mode: number;
  readonly parts: readonly Uint8Array[];
}

interface Reader {
  readonly body: Buffer;
  readonly count: number;
  at: number;
}

function encodeTimes(times: Float64Array): Column {
  const micros = new Float64Array(times.length);
  for (let i = 0; i < times.length; i++) {
    const time = times[i]!;
    const rounded = Math.round(time * 1000);
    if (!Number.isSafeInteger(rounded) || rounded / 1000 !== time) return encodeFloats64(times);
    micros[i] = rounded;
  }
  return encodeIntegers(micros) ?? encodeFloats64(times);
}

/** Differences of safe integers, or undefined where one does not fit into 32 bits. */
function encodeIntegers(numbers: Float64Array): Column | undefined {
  const count = numbers.length;
  const first = numbers[0]!;
  const difference = count > 1 ? numbers[1]! - first : 0;
  let constant = true;
  let previous = first;
  const zigzag = new Uint32Array(count - 1);
  for (let i = 1; i < count; i++) {
    const step = numbers[i]! - previous;
    if (step !== difference) constant = false;
    if (step > 0x7fffffff || step < -0x80000000) return undefined;
    zigzag[i - 1] = (step << 1) ^ (step >> 31);
    previous = numbers[i]!;
  }
  if (constant)
    return { mode: MODE.constantDifference, parts: [bytesOf(Float64Array.of(first, difference))] };
  return {
    mode: MODE.differences32,
    parts: [bytesOf(Float64Array.of(first)), shuffle(bytesOf(zigzag), 4)],
  };
}

function encodeFloats64(numbers: Float64Array): Column {
  return { mode: MODE.floats64, parts: [shuffle(bytesOf(numbers), 8)] };
}

function encodeValues(values: Float64Array): Column {
  if (values.every((value) => Object.is(value, values[0]))) {
    return { mode: VALUE_MODE.constant, parts: [bytesOf(values.slice(0, 1))] };
  }
  const decimals = encodeDecimals(values);
  if (decimals !== undefined) return decimals;
  const singles = Float32Array.from(values);
  for (let i = 0; i < values.length; i++) {
    if (!Object.is(singles[i], values[i])) return encodeFloats64(values);
  }
  return { mode: VALUE_MODE.floats32, parts: [shuffle(bytesOf(singles), 4)] };
}

/** Values with at most MAX_DECIMALS decimals as differences of integers: what programs print rounded. */
function encodeDecimals(values: Float64Array): Column | undefined {
  let decimals = 0;
  for (let i = 0; i < values.length; i++) {
    while (!isDecimal(values[i]!, decimals)) {
      decimals += 1;
      if (decimals > MAX_DECIMALS) return undefined;
    }
  }
  const scale = 10 ** decimals;
  const scaled = values.map((value) => Math.round(value * scale));
  // A value that was exact with fewer decimals may not be so with more.
  for (let i = 0; i < values.length; i++) if (!isDecimal(values[i]!, decimals)) return undefined;
  const column = encodeIntegers(scaled);
  if (column?.mode !== MODE.differences32) return undefined;
  return { mode: VALUE_MODE.decimals, parts: [Uint8Array.of(decimals), ...column.parts] };
}

function isDecimal(value: number, decimals: number): boolean {
  const scale = 10 ** decimals;
  const scaled = Math.round(value * scale);
  // The sign of -0 would be lost among integers.
  return Number.isSafeInteger(scaled) && scaled / scale === value && !Object.is(value, -0);
}

function decodeColumn(reader: Reader, mode: number): Float64Array {
  if (mode === MODE.floats64) return readFloats64(reader);
  const numbers = new Float64Array(reader.count);
  let number = readNumber(reader);
  numbers[0] = number;
  if (mode === MODE.constantDifference) {
    const difference = readNumber(reader);
    for (let i = 1; i < numbers.length; i++) numbers[i] = numbers[0]! + i * difference;
    return numbers;
  }
  const zigzag = new Uint32Array(readPlanes(reader, reader.count - 1, 4).buffer);
  for (let i = 1; i < numbers.length; i++) {
    const step = zigzag[i - 1]!;
    number += (step >>> 1) ^ -(step & 1);
    numbers[i] = number;
  }
  return numbers;
}

function decodeValues(reader: Reader, mode: number): Float64Array {
  if (mode === VALUE_MODE.constant) return new Float64Array(reader.count).fill(readNumber(reader));
  if (mode === VALUE_MODE.floats64) return readFloats64(reader);
  return Float64Array.from(new Float32Array(readPlanes(reader, reader.count, 4).buffer));
}

function decodeDecimals(reader: Reader): Float64Array {
  const scale = 10 ** reader.body[reader.at]!;
  reader.at += 1;
  const scaled = decodeColumn(reader, MODE.differences32);
  for (let i = 0; i < scaled.length; i++) scaled[i] = scaled[i]! / scale;
  return scaled;
}

function readFloats64(reader: Reader): Float64Array {
  return new Float64Array(readPlanes(reader, reader.count, 8).buffer);
}

function readNumber(reader: Reader): number {
  const number = reader.body.readDoubleLE(reader.at);
  reader.at += 8;
  return number;
}

function readPlanes(reader: Reader, count: number, width: number): Uint8Array<ArrayBuffer> {
  const from = reader.at;
  reader.at += count * width;
  if (reader.at > reader.body.length) throw new Error('chunk is shorter than its number of points');
  const bytes = new Uint8Array(count * width);
  for (let plane = 0; plane < width; plane++) {
    const start = from + plane * count;
    for (let i = 0; i < count; i++) bytes[i * width + plane] = reader.body[start + i]!;
  }
  return bytes;
}

/** All first bytes, then all second bytes, and so on. */
function shuffle(bytes: Uint8Array, width: number): Uint8Array {
  const count = bytes.length / width;
  const planes = new Uint8Array(bytes.length);
  for (let plane = 0; plane < width; plane++) {
    const start = plane * count;
    for (let i = 0; i < count; i++) planes[start + i] = bytes[i * width + plane]!;
  }
  return planes;
}

/** Typed arrays are little-endian on every platform that Node and PostgreSQL share here. */
function bytesOf(numbers: Float64Array | Float32Array | Uint32Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}
