import { invalidFilter } from './invalid-filter.ts';

/**
 * Smallest part of a filter or an order. `at` is the character at which it begins, from 0.
 * A `name` is a bare word or `group.key`, either part of which may be in backticks or double quotes.
 */
export type Token =
  | {
      readonly kind: 'name';
      readonly at: number;
      readonly text: string;
      readonly group?: string;
      readonly key: string;
    }
  /** In double quotes or backticks: a key where a field is expected, and in double quotes a value elsewhere. */
  | { readonly kind: 'quoted'; readonly at: number; readonly text: string; readonly value: string }
  | { readonly kind: 'text'; readonly at: number; readonly text: string; readonly value: string }
  | { readonly kind: 'number'; readonly at: number; readonly text: string; readonly value: number }
  | { readonly kind: 'comparator' | 'punctuation'; readonly at: number; readonly text: string }
  | { readonly kind: 'end'; readonly at: number; readonly text: '' };

const SPACE = /\s+/y;
const WORD = /[\p{L}_][\p{L}\p{N}_]*/uy;
/** What follows `group.` without quotes. Wider than MLflow's: keys such as `val/loss` and `learning-rate` need none. */
const BARE_KEY = /[^\s"'`(),;=!<>~]+/y;
const NUMBER = /[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?/y;
const COMPARATOR = /[=!<>~]+/y;
const PUNCTUATION = /[(),]/y;

/**
 * Every way of reading is tried once per character, so that the time is in proportion to the text.
 * @throws TrainyardError INVALID_FILTER
 */
export function tokenize(source: string, what: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(source)?.[0];
    if (found !== undefined) at += found.length;
    return found;
  };
  for (;;) {
    take(SPACE);
    if (at >= source.length) break;
    const start = at;
    const first = source[at]!;
    if (first === "'") {
      tokens.push({ kind: 'text', at: start, ...quoted(source, at, what) });
      at += tokens.at(-1)!.text.length;
    } else if (first === '"' || first === '`') {
      const { text, value } = quoted(source, at, what);
      at += text.length;
      tokens.push(
        source[at] === '.'
          ? nameAfterGroup(source, start, at, value, what)
          : { kind: 'quoted', at: start, text, value },
      );
      at = start + tokens.at(-1)!.text.length;
    } else {
      const token = plainToken(source, start, take, what);
      tokens.push(token);
      at = start + token.text.length;
    }
  }
  tokens.push({ kind: 'end', at: source.length, text: '' });
  return tokens;
}

function plainToken(
  source: string,
  start: number,
  take: (pattern: RegExp) => string | undefined,
  what: string,
): Token {
  const word = take(WORD);
  if (word !== undefined) {
    const end = start + word.length;
    if (source[end] === '.') return nameAfterGroup(source, start, end, word, what);
    return { kind: 'name', at: start, text: word, key: word };
  }
  const digits = take(NUMBER);
  if (digits !== undefined) return { kind: 'number', at: start, text: digits, value: Number(digits) };
  const comparator = take(COMPARATOR);
  if (comparator !== undefined) return { kind: 'comparator', at: start, text: comparator };
  const punctuation = take(PUNCTUATION);
  if (punctuation !== undefined) return { kind: 'punctuation', at: start, text: punctuation };
  const found = String.fromCodePoint(source.codePointAt(start)!);
  const expected = 'a field, a comparator, a value, a parenthesis or a keyword';
  throw invalidFilter(what, start, `Invalid clause(s) in filter string: "${found}"`, expected);
}

/** @param dot where the dot behind the group stands */
function nameAfterGroup(source: string, start: number, dot: number, group: string, what: string): Token {
  const from = dot + 1;
  const mark = source[from];
  if (mark === '"' || mark === '`') {
    const { text, value } = quoted(source, from, what);
    return { kind: 'name', at: start, text: source.slice(start, from) + text, group, key: value };
  }
  BARE_KEY.lastIndex = from;
  const key = BARE_KEY.exec(source)?.[0];
  if (key === undefined) {
    throw invalidFilter(
      what,
      from,
      `Invalid identifier "${source.slice(start, from)}"`,
      'a key behind the dot',
    );
  }
  return { kind: 'name', at: start, text: source.slice(start, from + key.length), group, key };
}

/** A quoted text; the mark itself is written twice inside. A backslash is nothing special. */
function quoted(source: string, at: number, what: string): { text: string; value: string } {
  const mark = source[at]!;
  let end = at + 1;
  for (;;) {
    const next = source.indexOf(mark, end);
    if (next === -1) {
      const shown = source.slice(at, at + 40);
      throw invalidFilter(
        what,
        at,
        `Invalid clause(s) in filter string: ${shown}`,
        `a ${mark} that ends the text`,
      );
    }
    end = next + 1;
    if (source[end] !== mark) break;
    end += 1;
  }
  const text = source.slice(at, end);
  return { text, value: text.slice(1, -1).replaceAll(mark + mark, mark) };
}
