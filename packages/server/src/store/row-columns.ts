import { jsonbText } from './jsonb-text.ts';

/** What a column holds. Instants are given as ISO text or in epoch milliseconds. */
type ColumnType = keyof typeof ELEMENT_OIDS;

/** By name: what each column holds, and what of a row that is. */
export type Columns<Row> = Readonly<Record<string, readonly [type: ColumnType, of: (row: Row) => unknown]>>;

/** A column of rows that go into a statement as parameters. */
interface RowColumn<Row> {
  readonly name: string;
  readonly type: ColumnType;
  readonly of: (row: Row) => unknown;
}

/**
 * Many rows as parameters of one statement: an array for each column, in the binary format of PostgreSQL. Reading
 * rows from JSON text takes the database several times as long; it was a third of what a finished stage cost it.
 */
export class RowColumns<Row> {
  readonly #columns: readonly RowColumn<Row>[];

  constructor(columns: Columns<Row>) {
    this.#columns = Object.entries(columns).map(([name, [type, of]]) => ({ name, type, of }));
  }

  /** Number of parameters. */
  get count(): number {
    return this.#columns.length;
  }

  /** The rows as an item of FROM, called x. `first` is the number of the first of the parameters. */
  from(first: number): string {
    const arrays = this.#columns.map(({ type }, index) => `$${first + index}::${type}[]`);
    return `unnest(${arrays.join(', ')}) as x(${this.#columns.map(({ name }) => name).join(', ')})`;
  }

  values(rows: readonly Row[]): Buffer[] {
    return this.#columns.map(({ type, of }) => encodeArray(type, rows, of));
  }
}

/** pg_type.oid of the elements. */
const ELEMENT_OIDS = { int8: 20, int4: 23, text: 25, json: 114, timestamptz: 1184, jsonb: 3802 } as const;

const HEADER_BYTES = 20;
const LENGTH_BYTES = 4;
const JSONB_VERSION = 1;
/** A UTF-16 unit becomes at most so many bytes of UTF-8. */
const MAX_BYTES_PER_UNIT = 3;
/** 2000-01-01, from which PostgreSQL counts. */
const POSTGRES_EPOCH_MS = 946_684_800_000;
const TWO_TO_32 = 2 ** 32;

/** Header: dimensions, whether there are nulls, type; size and lower bound of the dimension (array_recv). */
function encodeArray<Row>(type: ColumnType, rows: readonly Row[], of: (row: Row) => unknown): Buffer {
  const writer = new ElementWriter(rows.length);
  writer.header(ELEMENT_OIDS[type], rows.length);
  for (const row of rows) {
    const value = of(row);
    if (value === null || value === undefined) writer.null();
    else WRITE[type](writer, value);
  }
  return writer.bytes;
}

const WRITE: Readonly<Record<ColumnType, (writer: ElementWriter, value: unknown) => void>> = {
  int4: (writer, value) => writer.int4(Number(value)),
  int8: (writer, value) => writer.int8(Number(value)),
  // The driver of the database would refuse a NUL character.
  text: (writer, value) => writer.text((value as string).replaceAll('\0', '\uFFFD')),
  json: (writer, value) => writer.text(jsonbText(value)),
  jsonb: (writer, value) => writer.jsonb(jsonbText(value)),
  timestamptz: (writer, value) => {
    const ms = typeof value === 'number' ? value : Date.parse(value as string);
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

  header(elementOid: number, count: number): void {
    for (const number of [1, 1, elementOid, count, 1]) {
      this.#end = this.#bytes.writeInt32BE(number, this.#end);
    }
  }

  null(): void {
    this.#reserve(LENGTH_BYTES);
    this.#end = this.#bytes.writeInt32BE(-1, this.#end);
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
