/** Values shorter than this stand in too many texts by chance. */
const MIN_LENGTH = 4;
const MASK = '***';

/**
 * Gives a function that puts `***` where a text has one of the values, also as an address or as JSON writes
 * them. For what a program of ours says; what a user's program prints is its own matter.
 */
export function secretMask(values: readonly string[]): (text: string) => string {
  const forms = new Set(values.flatMap(formsOf).filter((form) => form.length >= MIN_LENGTH));
  // The longest first: another may be a part of it.
  const ordered = [...forms].sort((a, b) => b.length - a.length);
  return (text) => ordered.reduce((masked, form) => masked.replaceAll(form, MASK), text);
}

function formsOf(value: string): string[] {
  const inJson = JSON.stringify(value).slice(1, -1);
  return [value, inJson, ...uriForms(value), ...addressForms(value)];
}

function uriForms(value: string): string[] {
  // Half of a surrogate pair has no such form.
  return value.isWellFormed() ? [encodeURIComponent(value), encodeURI(value)] : [];
}

/** An address is shown in parts: without its query, or only what follows the host. */
function addressForms(value: string): string[] {
  if (!URL.canParse(value)) return [];
  const { href, origin, pathname, search } = new URL(value);
  const path = pathname.length > 1 ? [pathname, `${pathname}${search}`] : [];
  const withHost = origin === 'null' ? [] : path.map((each) => `${origin}${each}`);
  return [href, ...path, ...withHost, search.slice(1)];
}
