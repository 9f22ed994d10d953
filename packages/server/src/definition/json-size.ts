import type { JsonValue } from '@trainyard/protocol/definition';

/** About how many characters a value has as JSON, without writing it: it may be too long for one text. */
export function jsonSize(value: JsonValue): number {
  if (typeof value === 'string') return value.length + 2;
  if (typeof value === 'number') return String(value).length;
  if (typeof value !== 'object' || value === null) return 4;
  let size = 2;
  if (Array.isArray(value)) for (const inner of value) size += jsonSize(inner) + 1;
  else for (const key of Object.keys(value)) size += key.length + 4 + jsonSize(value[key]!);
  return size;
}
