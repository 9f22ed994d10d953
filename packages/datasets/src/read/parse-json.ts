import { DATASET_LIMITS } from '../dataset-limits.ts';
import type { DatasetValue } from '../dataset-value.ts';

/** May hold a whole number that a double does not. */
const LONG_DIGITS = /\d{16}/;
const WHOLE = /^-?\d+$/;

/**
 * JSON.parse, but whole numbers keep all their digits.
 * @throws SyntaxError
 */
export function parseJson(text: string): DatasetValue {
  if (!LONG_DIGITS.test(text)) return JSON.parse(text) as DatasetValue;
  return JSON.parse(text, exactNumbers) as DatasetValue;
}

function exactNumbers(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  const source = context?.source;
  return source !== undefined && WHOLE.test(source) ? BigInt(source) : value;
}

/** @returns whether a value is nested deeper than rows may be */
export function isTooDeep(value: DatasetValue, left: number = DATASET_LIMITS.depth): boolean {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return false;
  if (left === 0) return true;
  for (const part of Object.values(value)) if (isTooDeep(part, left - 1)) return true;
  return false;
}
