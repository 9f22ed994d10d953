import { instantMs } from './instant-text.ts';
import { jsonbText, storableText } from './jsonb-text.ts';

/** What an array holds, with its pg_type.oid. Instants are given as ISO text or in epoch milliseconds. */
const ELEMENT_OIDS = {
  int2: 21,
  int4: 23,
  int8: 20,
  float8: 701,
  text: 25,
  json: 114,
  jsonb: 3802,
  timestamptz: 1184,
} as const;
export type ElementType = keyof typeof ELEMENT_OIDS;

/**
 * An array in PostgreSQL's binary form (src/backend/utils/adt/arrayfuncs.c, array_recv): the driver sends buffers as
 * binary parameters. Neither side formats or parses numbers, and NaN, the infinities and -0 are kept. The parameter
 * has to be of the array's type: `$1::float8[]`.
 */
export function encodeArray<Row>(type: ElementType, rows: readonly Row[], of: (row: Row) => unknown): Buffer {
  const writer = new ElementWriter(rows.length);
  writer.header(ELEMENT_OIDS[type], rows.length);
  for (const row of rows) {
    const value = of(row);
    if (value === null || value === undefined) writer.null();
    else WRITE[type](writer, value);
  }
  return writer.bytes;
}

const HEADER_BYTES = 20;
const LENGTH_BYTES = 4;
const JSONB_VERSION = 1;
/** A UTF-16 unit becomes at most so many bytes of UTF-8. */
const MAX_BYTES_PER_UNIT = 3;
/** 2000-01-01, from which PostgreSQL counts. */
const POSTGRES_EPOCH_MS = 946_684_800_000;
const TWO_TO_32 = 2 ** 32;

const WRITE: Readonly<Record<ElementType, (writer: ElementWriter, value: unknown) => void>> = {
  int2: (writer, value) => writer.int2(value as number),
  int4: (writer, value) => writer.int4(value as number),
  int8: (writer, value) => writer.int8(value as number),
  float8: (writer, value) => writer.float8(value as number),
  text: (writer, value) => writer.text(storableText(value as string)),
  json: (writer, value) => writer.text(jsonbText(value)),
  jsonb: (writer, value) => writer.jsonb(jsonbText(value)),
  timestamptz: (writer, value) => {
    const ms = typeof value === 'number' ? value : instantMs(value as string);
    writer.int8((ms - POSTGRES_EPOCH_MS) * 1000);
  },
};

class ElementWriter {
  #bytes: Buffer;
  #end = 0;

  constructor(elements: number) {
    this.#bytes = Buffer.allocUnsafe(HEADER_BYTES + elements * 32);
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#end);
  }

  /** Dimensions, whether there are nulls, type; size and lower bound of the dimension. */
  header(elementOid: number, count: number): void {
    for (const number of [1, 1, elementOid, count, 1]) {
      this.#end = this.#bytes.writeInt32BE(number, this.#end);
    }
  }

  null(): void {
    this.#reserve(LENGTH_BYTES);
    this.#end = this.#bytes.writeInt32BE(-1, this.#end);
  }

  int2(value: number): void {
    this.#reserve(LENGTH_BYTES + 2);
    this.#end = this.#bytes.writeInt32BE(2, this.#end);
    this.#end = this.#bytes.writeInt16BE(value, this.#end);
  }

  int4(value: number): void {
    this.#reserve(LENGTH_BYTES + 4);
    this.#end = this.#bytes.writeInt32BE(4, this.#end);
    this.#end = this.#bytes.writeInt32BE(value, this.#end);
  }

  int8(value: number): void {
    this.#reserve(LENGTH_BYTES + 8);
    const high = Math.floor(value / TWO_TO_32);
    this.#end = this.#bytes.writeInt32BE(8, this.#end);
    this.#end = this.#bytes.writeInt32BE(high, this.#end);
    this.#end = this.#bytes.writeUInt32BE(value - high * TWO_TO_32, this.#end);
  }

  float8(value: number): void {
    this.#reserve(LENGTH_BYTES + 8);
    this.#end = this.#bytes.writeInt32BE(8, this.#end);
    this.#end = this.#bytes.writeDoubleBE(value, this.#end);
  }

  text(value: string): void {
    this.#reserve(LENGTH_BYTES + value.length * MAX_BYTES_PER_UNIT);
    const size = this.#bytes.write(value, this.#end + LENGTH_BYTES);
    this.#end = this.#bytes.writeInt32BE(size, this.#end) + size;
  }

  jsonb(text: string): void {
    this.#reserve(LENGTH_BYTES + 1 + text.length * MAX_BYTES_PER_UNIT);
    const at = this.#end + LENGTH_BYTES;
    const size = this.#bytes.write(text, this.#bytes.writeUInt8(JSONB_VERSION, at)) + 1;
    this.#end = this.#bytes.writeInt32BE(size, this.#end) + size;
  }

  #reserve(size: number): void {
    if (this.#end + size <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#end + size));
    this.#bytes.copy(larger, 0, 0, this.#end);
    this.#bytes = larger;
  }
}
