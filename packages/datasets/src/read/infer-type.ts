import type { Column } from '../column.ts';
import { quotedName } from '../column.ts';
import type { DatasetValue, Row } from '../dataset-value.ts';

/** Shape of JSON values, narrow to wide; `json` holds what has no common shape. */
type Shape =
  | { readonly kind: 'nothing' | 'boolean' | 'whole' | 'number' | 'text' | 'json' }
  | { readonly kind: 'list'; readonly item: Shape }
  | { readonly kind: 'object'; readonly fields: ReadonlyMap<string, Shape> };

const NOTHING: Shape = { kind: 'nothing' };
const JSON_SHAPE: Shape = { kind: 'json' };
const MAX_FIELDS = 1000;
const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

/** Columns of JSON rows, in the order in which they first appear. */
export function inferColumns(rows: readonly Row[]): Column[] {
  const shapes = new Map<string, Shape>();
  for (const row of rows) {
    for (const name of Object.keys(row)) {
      shapes.set(name, common(shapes.get(name) ?? NOTHING, shapeOf(row[name]!)));
    }
  }
  return [...shapes].map(([name, shape]) => ({ name, type: typeOf(shape) }));
}

function shapeOf(value: DatasetValue): Shape {
  switch (typeof value) {
    case 'boolean':
      return { kind: 'boolean' };
    case 'bigint':
      return value >= INT64_MIN && value <= INT64_MAX ? { kind: 'whole' } : JSON_SHAPE;
    case 'number':
      return { kind: Number.isSafeInteger(value) ? 'whole' : 'number' };
    case 'string':
      return { kind: 'text' };
    default:
      if (value === null) return NOTHING;
      if (Array.isArray(value)) {
        return { kind: 'list', item: value.map(shapeOf).reduce(common, NOTHING) };
      }
      return objectShape(value as Row);
  }
}

function objectShape(value: Row): Shape {
  const fields = new Map(Object.entries(value).map(([key, part]) => [key, shapeOf(part)]));
  const lower = new Set([...fields.keys()].map((key) => key.toLowerCase()));
  // SQL has no type for these.
  if (fields.size === 0 || fields.size > MAX_FIELDS || lower.size < fields.size) return JSON_SHAPE;
  return { kind: 'object', fields };
}

/** The narrowest shape that both have. */
function common(a: Shape, b: Shape): Shape {
  if (a.kind === 'nothing') return b;
  if (b.kind === 'nothing') return a;
  if (a.kind === 'list' && b.kind === 'list') return { kind: 'list', item: common(a.item, b.item) };
  if (a.kind === 'object' && b.kind === 'object') {
    const fields = new Map(a.fields);
    for (const [key, shape] of b.fields) fields.set(key, common(fields.get(key) ?? NOTHING, shape));
    const lower = new Set([...fields.keys()].map((key) => key.toLowerCase()));
    return fields.size > MAX_FIELDS || lower.size < fields.size ? JSON_SHAPE : { kind: 'object', fields };
  }
  if (a.kind === b.kind) return a;
  const isNumber = (shape: Shape): boolean => shape.kind === 'whole' || shape.kind === 'number';
  return isNumber(a) && isNumber(b) ? { kind: 'number' } : JSON_SHAPE;
}

function typeOf(shape: Shape): string {
  switch (shape.kind) {
    case 'boolean':
      return 'BOOLEAN';
    case 'whole':
      return 'BIGINT';
    case 'number':
      return 'DOUBLE';
    case 'text':
      return 'VARCHAR';
    case 'list':
      return `${typeOf(shape.item)}[]`;
    case 'object':
      return `STRUCT(${[...shape.fields].map(([key, part]) => `${quotedName(key)} ${typeOf(part)}`).join(', ')})`;
    default:
      return 'JSON';
  }
}
