/** Params as trackers keep them that know names and texts only. */
export type FlatParam = number | string | boolean;

/** Params of a mapping within one are `outer.inner`; what is no number, text or truth value is its JSON. */
export function flatParams(
  params: Readonly<Record<string, unknown>>,
  prefix = '',
): Record<string, FlatParam> {
  const flat: Record<string, FlatParam> = {};
  for (const [key, value] of Object.entries(params)) {
    const name = `${prefix}${key}`;
    if (typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean') {
      flat[name] = value;
    } else if (isMapping(value) && prefix.split('.').length <= MAX_DEPTH) {
      Object.assign(flat, flatParams(value, `${name}.`));
    } else if (value !== undefined) {
      flat[name] = jsonText(value);
    }
  }
  return flat;
}

const MAX_DEPTH = 8;

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** Also of what JSON has no words for, such as large integers and what contains itself. */
function jsonText(value: unknown): string {
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
