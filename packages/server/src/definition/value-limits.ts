import type { JsonValue } from '@trainyard/protocol';
import type { Fault } from './faults.ts';

/** Values (mappings, lists, texts, numbers…) of one definition after aliases are expanded. */
export const MAX_VALUES = 2_500_000;
/** Levels of lists and mappings inside each other. Ten pipelines take thirty of them. */
export const MAX_VALUE_DEPTH = 100;

/** Keys that reach an object's prototype instead of the object. */
export function isPrototypeKey(key: string): boolean {
  return key === '__proto__';
}

/**
 * Judges a JSON value that came in a request as the YAML reader judges a file: number of values, depth and
 * prototype keys. Returns the first fault found.
 */
export function jsonLimitFault(json: unknown): Fault | undefined {
  const open: { readonly value: unknown; readonly depth: number }[] = [{ value: json, depth: 0 }];
  let values = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { value, depth } = next;
    values += 1;
    if (values > MAX_VALUES) return limit('TOO_LARGE', `the definition has more than ${MAX_VALUES} values`);
    if (depth > MAX_VALUE_DEPTH) {
      return limit('TOO_DEEP', `values are nested deeper than ${MAX_VALUE_DEPTH} levels`);
    }
    if (typeof value !== 'object' || value === null) continue;
    if (Array.isArray(value)) {
      for (const item of value as JsonValue[]) open.push({ value: item, depth: depth + 1 });
      continue;
    }
    for (const [key, inner] of Object.entries(value)) {
      if (isPrototypeKey(key)) return limit('BAD_KEY', `the key "${key}" is not allowed`);
      open.push({ value: inner, depth: depth + 1 });
    }
  }
  return undefined;
}

function limit(code: string, message: string): Fault {
  return { code, message, path: [] };
}
