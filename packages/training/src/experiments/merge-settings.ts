import type { JsonValue } from '@trainyard/protocol';

/** Stands for a value that somebody else gives: in the base a trial, in a trial the base. */
export const PLACEHOLDER = '?';
/** The only key of a mapping whose value is taken as it is, instead of being merged. */
const REPLACE = '$replace';

/**
 * What a trial says, put over what all have in common: mappings key by key, lists element by element (the
 * longer one gives the length), anything else as a whole. `?` over a value leaves it, and
 * `{ $replace: VALUE }` stands for that value, unmerged.
 */
export function mergeSettings(base: JsonValue | undefined, over: JsonValue | undefined): JsonValue {
  if (over === undefined || over === PLACEHOLDER) return base === undefined ? PLACEHOLDER : plain(base);
  if (isMapping(over) && isReplacement(over)) return over[REPLACE]!;
  if (Array.isArray(over) && Array.isArray(base)) {
    const length = Math.max(base.length, over.length);
    return Array.from({ length }, (_, at) => mergeSettings(base[at], over[at]));
  }
  if (isMapping(over)) {
    const under = mergeable(base);
    const keys = new Set([...Object.keys(under), ...Object.keys(over)]);
    return Object.fromEntries([...keys].map((key) => [key, mergeSettings(own(under, key), own(over, key))]));
  }
  return plain(over);
}

/** Paths of values that nobody has given, such as `model.layers[1]`. */
export function unfilled(value: JsonValue, path = ''): string[] {
  if (value === PLACEHOLDER) return [path];
  if (Array.isArray(value)) return value.flatMap((each, at) => unfilled(each, `${path}[${at}]`));
  if (!isMapping(value)) return [];
  return Object.entries(value).flatMap(([key, each]) => unfilled(each, path === '' ? key : `${path}.${key}`));
}

/** Without `$replace`, where nothing is merged over it. */
function plain(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(plain);
  if (!isMapping(value)) return value;
  if (isReplacement(value)) return value[REPLACE]!;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, plain(each)]));
}

/** What keys may be put over. */
function mergeable(base: JsonValue | undefined): Record<string, JsonValue> {
  return isMapping(base) && !isReplacement(base) ? base : {};
}

function isMapping(value: JsonValue | undefined): value is Record<string, JsonValue> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isReplacement(value: JsonValue | undefined): boolean {
  return isMapping(value) && Object.hasOwn(value, REPLACE) && Object.keys(value).length === 1;
}

function own(value: Readonly<Record<string, JsonValue>>, key: string): JsonValue | undefined {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}
