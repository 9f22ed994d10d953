import type { JsonValue } from '../definition/index.ts';

/**
 * A text that means itself in a definition. The older systems had no expressions, so a `${{` in one of their
 * documents is text, and is written `$${{` here.
 */
export function literalText(text: string): string {
  return text.replaceAll('${{', () => '$${{');
}

/** A JSON value whose texts, at any depth, mean themselves. */
export function literalJson(value: JsonValue): JsonValue {
  if (typeof value === 'string') return literalText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(literalJson);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, literalJson(inner)]));
}
