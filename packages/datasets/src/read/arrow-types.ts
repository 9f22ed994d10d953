import type { DataType } from 'apache-arrow';
import { quotedName } from '../column.ts';

/** Numbers of the Arrow format for types (`Type` of apache-arrow, which is loaded only when it is needed). */
export const ARROW = {
  null: 1,
  int: 2,
  float: 3,
  binary: 4,
  text: 5,
  boolean: 6,
  decimal: 7,
  date: 8,
  time: 9,
  timestamp: 10,
  list: 12,
  struct: 13,
  fixedBinary: 15,
  fixedList: 16,
  map: 17,
  duration: 18,
  largeBinary: 19,
  largeText: 20,
  largeList: 21,
  dictionary: -1,
} as const;

/** What of a type depends on its kind; apache-arrow's own classes are not told apart by their types. */
export interface ArrowType {
  readonly typeId: number;
  readonly bitWidth: number;
  readonly isSigned: boolean;
  readonly precision: number;
  readonly scale: number;
  readonly unit: number;
  readonly timezone?: string | null;
  readonly byteWidth: number;
  readonly listSize: number;
  readonly children?: readonly { readonly name: string; readonly type: ArrowType }[] | null;
  readonly dictionary: ArrowType;
  toString(): string;
}

export function arrowType(type: DataType): ArrowType {
  return type as unknown as ArrowType;
}

/** In DuckDB's notation; undefined for kinds that are not read. */
export function sqlTypeOf(type: ArrowType): string | undefined {
  switch (type.typeId) {
    case ARROW.null:
    case ARROW.text:
    case ARROW.largeText:
      return 'VARCHAR';
    case ARROW.boolean:
      return 'BOOLEAN';
    case ARROW.int:
      return INTEGERS[`${type.isSigned ? '' : 'U'}${type.bitWidth}`];
    case ARROW.float:
      return type.precision === 2 ? 'DOUBLE' : 'FLOAT';
    case ARROW.decimal:
      return type.precision <= 38 && type.scale >= 0 ? `DECIMAL(${type.precision},${type.scale})` : 'VARCHAR';
    case ARROW.binary:
    case ARROW.largeBinary:
    case ARROW.fixedBinary:
      return 'BLOB';
    case ARROW.date:
      return 'DATE';
    case ARROW.time:
      return 'TIME';
    case ARROW.timestamp:
      if (type.timezone !== null && type.timezone !== undefined) return 'TIMESTAMP WITH TIME ZONE';
      return type.unit === 3 ? 'TIMESTAMP_NS' : 'TIMESTAMP';
    case ARROW.duration:
      return 'BIGINT';
    case ARROW.dictionary:
      return sqlTypeOf(type.dictionary);
    default:
      return nestedTypeOf(type);
  }
}

const INTEGERS: Readonly<Record<string, string>> = {
  '8': 'TINYINT',
  '16': 'SMALLINT',
  '32': 'INTEGER',
  '64': 'BIGINT',
  U8: 'UTINYINT',
  U16: 'USMALLINT',
  U32: 'UINTEGER',
  U64: 'UBIGINT',
};

function nestedTypeOf(type: ArrowType): string | undefined {
  const children = type.children ?? [];
  switch (type.typeId) {
    case ARROW.list:
    case ARROW.largeList:
    case ARROW.fixedList:
    case ARROW.map: {
      const item = children[0] === undefined ? undefined : sqlTypeOf(children[0].type);
      return item === undefined ? undefined : `${item}[]`;
    }
    case ARROW.struct: {
      if (children.length === 0) return undefined;
      const fields = children.map(({ name, type: part }) => {
        const inner = sqlTypeOf(part);
        return inner === undefined ? undefined : `${quotedName(name)} ${inner}`;
      });
      return fields.includes(undefined) ? undefined : `STRUCT(${fields.join(', ')})`;
    }
    default:
      return undefined;
  }
}
