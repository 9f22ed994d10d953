import type { DuckDBType, DuckDBValue } from '@duckdb/node-api';
import type { DatasetValue } from '../dataset-value.ts';
import { wholeNumber } from '../dataset-value.ts';
import { parseJson } from '../read/parse-json.ts';
import { dayText, decimalText, timestampText, timeText } from '../read/temporal-text.ts';

type ReadCell = (value: DuckDBValue) => DatasetValue;

/** Numbers of DuckDB's types (`DuckDBTypeId`, which is in the library that is loaded only when it is needed). */
const TYPE = {
  timestamp: 12,
  date: 13,
  time: 14,
  blob: 18,
  decimal: 19,
  timestampSeconds: 20,
  timestampMillis: 21,
  timestampNanos: 22,
  list: 24,
  struct: 25,
  map: 26,
  union: 28,
  timestampZone: 31,
  array: 33,
} as const;
const MICROS = 1_000_000n;

/** Turns values of a column of DuckDB into ours. */
export function cellConverter(type: DuckDBType): ReadCell {
  if (type.alias === 'JSON') return nullOr((value) => parseJson(String(value)));
  return nullOr(converter(type));
}

function nullOr(read: ReadCell): ReadCell {
  return (value) => (value === null || value === undefined ? null : read(value));
}

function converter(type: DuckDBType): ReadCell {
  const id: number = type.typeId;
  const temporal = temporalConverter(id);
  if (temporal !== undefined) return temporal;
  switch (id) {
    case TYPE.blob:
      return (value) => Uint8Array.from((value as unknown as { bytes: Uint8Array }).bytes);
    case TYPE.decimal:
      return (value) => {
        const { value: digits, scale } = value as unknown as { value: bigint; scale: number };
        return decimalText(digits, scale);
      };
    case TYPE.list:
    case TYPE.array: {
      const item = cellConverter((type as unknown as { valueType: DuckDBType }).valueType);
      return (value) => (value as unknown as { items: DuckDBValue[] }).items.map(item);
    }
    case TYPE.struct:
      return structConverter(type as unknown as StructType);
    case TYPE.map: {
      const { keyType, valueType } = type as unknown as { keyType: DuckDBType; valueType: DuckDBType };
      const [key, item] = [cellConverter(keyType), cellConverter(valueType)];
      return (value) =>
        (value as unknown as { entries: { key: DuckDBValue; value: DuckDBValue }[] }).entries.map(
          (entry) => ({
            key: key(entry.key),
            value: item(entry.value),
          }),
        );
    }
    case TYPE.union:
      return (value) => String((value as unknown as { value: DuckDBValue }).value);
    default:
      return plain;
  }
}

interface StructType {
  readonly entryNames: readonly string[];
  readonly entryTypes: readonly DuckDBType[];
}

function structConverter({ entryNames, entryTypes }: StructType): ReadCell {
  const fields = entryNames.map((name, index) => [name, cellConverter(entryTypes[index]!)] as const);
  return (value) => {
    const { entries } = value as unknown as { entries: Record<string, DuckDBValue> };
    return Object.fromEntries(fields.map(([name, read]) => [name, read(entries[name]!)]));
  };
}

function temporalConverter(id: number): ReadCell | undefined {
  const part = (value: DuckDBValue, name: string): bigint =>
    BigInt((value as unknown as Record<string, bigint | number>)[name]!);
  switch (id) {
    case TYPE.date:
      return finite((value) => dayText(part(value, 'days')));
    case TYPE.time:
      return (value) => timeText(part(value, 'micros'), MICROS);
    case TYPE.timestamp:
      return finite((value) => timestampText(part(value, 'micros'), MICROS, false));
    case TYPE.timestampZone:
      return finite((value) => timestampText(part(value, 'micros'), MICROS, true));
    case TYPE.timestampSeconds:
      return finite((value) => timestampText(part(value, 'seconds'), 1n, false));
    case TYPE.timestampMillis:
      return finite((value) => timestampText(part(value, 'millis'), 1000n, false));
    case TYPE.timestampNanos:
      return finite((value) => timestampText(part(value, 'nanos'), 1_000_000_000n, false));
    default:
      return undefined;
  }
}

/** DuckDB has dates that are infinitely far away. */
function finite(read: ReadCell): ReadCell {
  return (value) => {
    const { isFinite: hasPlace } = value as unknown as { readonly isFinite?: boolean };
    return hasPlace === false ? String(value) : read(value);
  };
}

function plain(value: DuckDBValue): DatasetValue {
  switch (typeof value) {
    case 'bigint':
      return wholeNumber(value);
    case 'boolean':
    case 'number':
    case 'string':
      return value;
    default:
      return value === null ? null : String(value);
  }
}
