/**
 * A value of a row. Whole numbers are `number` as long as a double holds them exactly, and `bigint` beyond
 * that, in every format. Decimals are text, with all their digits. Dates, times and timestamps are text as
 * DuckDB writes them (`2026-01-31`, `12:00:00.5`, `2026-01-31 12:00:00`; with `+00` where they have a zone, in UTC).
 */
export type DatasetValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly DatasetValue[]
  | { readonly [key: string]: DatasetValue };

/** A row by column. A key that is missing means the same as null. */
export type Row = Readonly<Record<string, DatasetValue>>;

/** What JSON can say; bytes are base64. */
export type PlainValue =
  | null
  | boolean
  | number
  | string
  | readonly PlainValue[]
  | { readonly [key: string]: PlainValue };

/** A `number` where that is exact, else the `bigint` itself. */
export function wholeNumber(value: bigint): number | bigint {
  return value >= MIN_SAFE && value <= MAX_SAFE ? Number(value) : value;
}

const MIN_SAFE = BigInt(Number.MIN_SAFE_INTEGER);
const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * For JSON: whole numbers that a double cannot hold become text, as do NaN and the infinities, which JSON has
 * no number for.
 */
export function plainValue(value: DatasetValue): PlainValue {
  switch (typeof value) {
    case 'bigint':
      return String(value);
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'object':
      if (value === null) return null;
      if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
      if (Array.isArray(value)) return value.map(plainValue);
      return plainRow(value as Row);
    default:
      return value;
  }
}

export function plainRow(row: Row): { readonly [key: string]: PlainValue } {
  return Object.fromEntries(Object.entries(row).map(([key, value]) => [key, plainValue(value)]));
}
