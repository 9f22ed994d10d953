/** A text with `${{ … }}` taken apart: literal pieces and expressions, in order. */
export type TextPart =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'expression'; readonly source: string };

export type SplitText =
  | { readonly ok: true; readonly parts: readonly TextPart[] }
  | { readonly ok: false; readonly problem: string };

/** Most characters of one expression. */
export const MAX_EXPRESSION_LENGTH = 2000;

/** Quick test that spares most texts the scan. */
export function mayHoldExpressions(text: string): boolean {
  return text.includes('${{');
}

/**
 * Splits a text at `${{ … }}`. An expression ends at the first `}}` outside of its quotes and braces, so
 * maps and texts may hold them. `$${{` stands for a literal `${{`.
 */
export function splitExpressions(text: string): SplitText {
  const parts: TextPart[] = [];
  let literal = '';
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf('${{', at);
    if (open === -1) break;
    if (open > at && text[open - 1] === '$') {
      literal += `${text.slice(at, open - 1)}\${{`;
      at = open + 3;
      continue;
    }
    literal += text.slice(at, open);
    const close = findClose(text, open + 3);
    if (close === undefined) {
      return {
        ok: false,
        problem: `"\${{" is not closed by "}}" (write "$\${{" for the characters themselves)`,
      };
    }
    const source = text.slice(open + 3, close).trim();
    if (source === '') return { ok: false, problem: 'an expression is empty' };
    if (source.length > MAX_EXPRESSION_LENGTH) {
      return { ok: false, problem: `an expression has at most ${MAX_EXPRESSION_LENGTH} characters` };
    }
    if (literal !== '') parts.push({ kind: 'literal', text: literal });
    parts.push({ kind: 'expression', source });
    literal = '';
    at = close + 2;
  }
  literal += text.slice(at);
  if (literal !== '') parts.push({ kind: 'literal', text: literal });
  return { ok: true, parts };
}

function findClose(text: string, from: number): number | undefined {
  let braces = 0;
  for (let at = from; at < text.length; at += 1) {
    const char = text[at]!;
    if (char === '"' || char === "'") {
      at = endOfQuotes(text, at);
    } else if (char === '{') {
      braces += 1;
    } else if (char === '}') {
      if (braces === 0 && text[at + 1] === '}') return at;
      braces -= 1;
    }
  }
  return undefined;
}

/** The index of the closing quote; the text's end when there is none. */
function endOfQuotes(text: string, start: number): number {
  const quote = text[start];
  for (let at = start + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === quote) return at;
  }
  return text.length;
}
