/** A number of a JSON text that a program in JavaScript would change without a word. */
export interface InexactNumber {
  /** The key or the index that it stands under; empty for a text that is nothing else. */
  readonly key: string;
  /** As it is written. */
  readonly source: string;
  readonly problem: string;
}

/** Says so of a whole number beyond 2^53, or one too large for JSON at all. */
export function numberProblem(source: string, value: number): string | undefined {
  if (!Number.isFinite(value)) return 'too large for a number';
  const isWhole = /^[-+]?(\d+|0x[0-9a-f]+|0o[0-7]+)$/i.test(source);
  return isWhole && !Number.isSafeInteger(value)
    ? `a whole number beyond ${Number.MAX_SAFE_INTEGER}`
    : undefined;
}

/**
 * The first such number of a JSON text. Most texts have none that is long enough, which is seen at once.
 * @throws SyntaxError when it is no JSON
 */
export function inexactNumber(text: string): InexactNumber | undefined {
  if (!LONG_NUMBER.test(text)) return undefined;
  let found: InexactNumber | undefined;
  const look = (key: string, value: unknown, context?: { readonly source?: string }): unknown => {
    const source = context?.source;
    if (found === undefined && typeof value === 'number' && source !== undefined) {
      const problem = numberProblem(source, value);
      if (problem !== undefined) found = { key, source, problem };
    }
    return value;
  };
  JSON.parse(text, look);
  return found;
}

const LONG_NUMBER = /\d{16}|[eE]\+?\d{3}/;
