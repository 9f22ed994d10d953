import type { JsonValue } from '@trainyard/protocol';

/** How many combinations the lists have. */
export function productSize(lists: Readonly<Record<string, readonly JsonValue[]>>): number {
  return Object.values(lists).reduce((size, list) => size * list.length, 1);
}

/** Each combination of one value of each list, by the names of the lists; the last list changes fastest. */
export function listProduct(
  lists: Readonly<Record<string, readonly JsonValue[]>>,
): Record<string, JsonValue>[] {
  let combinations: Record<string, JsonValue>[] = [{}];
  for (const [name, list] of Object.entries(lists)) {
    combinations = combinations.flatMap((before) => list.map((value) => ({ ...before, [name]: value })));
  }
  return combinations;
}

/**
 * A copy in which the value at a path of keys, such as `model.depth`, is another one. Mappings that the path leads
 * through are made where there are none.
 * @throws RangeError where the path leads through something else
 */
export function withSetting(
  settings: Readonly<Record<string, JsonValue>>,
  path: string,
  value: JsonValue,
): Record<string, JsonValue> {
  const [key = '', ...rest] = path.split('.');
  if (rest.length === 0) return { ...settings, [key]: value };
  const inner = Object.hasOwn(settings, key) ? settings[key]! : {};
  if (typeof inner !== 'object' || inner === null || Array.isArray(inner))
    throw new RangeError(`"${key}" of "${path}" is no mapping`);
  return { ...settings, [key]: withSetting(inner, rest.join('.'), value) };
}
