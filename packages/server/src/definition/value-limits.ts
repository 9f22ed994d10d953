import type { Fault } from './faults.ts';

/** Values (mappings, lists, texts, numbers…) of one definition after aliases are expanded. */
export const MAX_VALUES = 2_500_000;
/** Levels of lists and mappings inside each other. Ten pipelines take thirty of them. */
export const MAX_VALUE_DEPTH = 100;

/** Keys that reach an object's prototype instead of the object. */
export function isPrototypeKey(key: string): boolean {
  return key === '__proto__';
}

/** What a JSON value comes to, as far as a limit lets one look. */
interface JsonExtent {
  /** The first limit that is passed. */
  readonly fault: Fault | undefined;
  /** Keys of all mappings together. */
  readonly keys: number;
  /** Whether all numbers are as they were written: `1e999` and `12345678901234567890` cannot be. */
  readonly hasExactNumbers: boolean;
}

/**
 * Judges a JSON value that came in a request as the YAML reader judges a file: number of values, depth and
 * prototype keys. Returns the first fault found.
 */
export function jsonLimitFault(json: unknown): Fault | undefined {
  return jsonExtent(json).fault;
}

/** Walks through a JSON value once. Of a large one each object costs, so the stack is two lists. */
export function jsonExtent(json: unknown): JsonExtent {
  const open: unknown[] = [json];
  const depths = [0];
  let values = 1;
  let keys = 0;
  let hasExactNumbers = typeof json !== 'number' || isExact(json);
  const refused = (fault: Fault): JsonExtent => ({ fault, keys, hasExactNumbers });
  const note = (item: unknown, depth: number): void => {
    if (typeof item === 'number') hasExactNumbers &&= isExact(item);
    if (typeof item !== 'object' || item === null) return;
    open.push(item);
    depths.push(depth + 1);
  };
  while (open.length > 0) {
    const value = open.pop();
    const depth = depths.pop()!;
    if (typeof value !== 'object' || value === null) continue;
    const list = Array.isArray(value) ? value : undefined;
    const before = values;
    if (list === undefined) {
      for (const key in value) {
        if (key === '__proto__') return refused(limit('BAD_KEY', 'the key "__proto__" is not allowed'));
        keys += 1;
        values += 1;
        note((value as Record<string, unknown>)[key], depth);
      }
    } else {
      values += list.length;
      for (let at = 0; at < list.length && values <= MAX_VALUES; at++) note(list[at], depth);
    }
    if (values > MAX_VALUES) {
      return refused(limit('TOO_LARGE', `the definition has more than ${MAX_VALUES} values`));
    }
    if (depth === MAX_VALUE_DEPTH && values > before) {
      return refused(limit('TOO_DEEP', `values are nested deeper than ${MAX_VALUE_DEPTH} levels`));
    }
  }
  return { fault: undefined, keys, hasExactNumbers };
}

/** Fractions are as exact as numbers get. */
function isExact(number: number): boolean {
  return Number.isFinite(number) && (Number.isSafeInteger(number) || !Number.isInteger(number));
}

function limit(code: string, message: string): Fault {
  return { code, message, path: [] };
}
