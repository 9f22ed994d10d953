import type { DefinitionPath, Position } from './faults.ts';

/** Offsets of a key (of a mapping only) and of its value. */
interface Entry {
  readonly key: number | undefined;
  readonly value: number;
}

/**
 * Finds where a value or its key is in a text that is known to be JSON. What is inside of a list or a mapping is
 * noted when it is first asked for, so that a fault costs one reading of the text, and a thousand hardly more.
 */
export class JsonLocator {
  readonly #text: string;
  /** By the offset of a list or mapping: what is in it, by number or key. */
  readonly #entries = new Map<number, ReadonlyMap<string | number, Entry>>();
  #lineStarts: number[] | null = null;

  constructor(text: string) {
    this.#text = text;
  }

  /** The place of a path, or of its nearest ancestor. */
  locate(path: DefinitionPath, at: 'key' | 'value'): Position {
    let value = afterSpace(this.#text, 0);
    let place = value;
    for (const [depth, step] of path.entries()) {
      const entry = this.#entriesAt(value).get(step);
      if (entry === undefined) break;
      value = entry.value;
      place = depth === path.length - 1 && at === 'key' ? (entry.key ?? value) : value;
    }
    return this.#position(place);
  }

  #entriesAt(offset: number): ReadonlyMap<string | number, Entry> {
    const known = this.#entries.get(offset);
    if (known !== undefined) return known;
    const found = entriesOf(this.#text, offset);
    this.#entries.set(offset, found);
    return found;
  }

  #position(offset: number): Position {
    this.#lineStarts ??= lineStartsOf(this.#text);
    let [low, high] = [0, this.#lineStarts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#lineStarts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - this.#lineStarts[low]! + 1 };
  }
}

function lineStartsOf(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

/** Nothing for a value that is neither list nor mapping. */
function entriesOf(text: string, offset: number): Map<string | number, Entry> {
  const entries = new Map<string | number, Entry>();
  const isMapping = text[offset] === '{';
  if (!isMapping && text[offset] !== '[') return entries;
  let at = afterSpace(text, offset + 1);
  while (text[at] !== '}' && text[at] !== ']') {
    let key: number | undefined;
    let name: string | number = entries.size;
    if (isMapping) {
      key = at;
      at = endOfString(text, at);
      name = JSON.parse(text.slice(key, at)) as string;
      at = afterSpace(text, afterSpace(text, at) + 1);
    }
    entries.set(name, { key, value: at });
    at = afterSpace(text, endOfValue(text, at));
    if (text[at] === ',') at = afterSpace(text, at + 1);
  }
  return entries;
}

function afterSpace(text: string, start: number): number {
  let at = start;
  for (let unit = text.charCodeAt(at); unit === 32 || (unit >= 9 && unit <= 13); unit = text.charCodeAt(at))
    at++;
  return at;
}

const QUOTE = 34;
const BACKSLASH = 92;

/** Just behind the closing quote of the string that begins at `start`. */
export function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === BACKSLASH) at += 1;
    else if (unit === QUOTE) return at + 1;
  }
  return text.length;
}

/** Just behind the value that begins at `start`: brackets are counted, all else ends before the next sign. */
function endOfValue(text: string, start: number): number {
  let level = 0;
  for (let at = start; at < text.length; ) {
    const sign = text[at]!;
    if (sign === '"') {
      at = endOfString(text, at);
      if (level === 0) return at;
      continue;
    }
    if (sign === '{' || sign === '[') level += 1;
    else if (sign === '}' || sign === ']') {
      if (level === 0) return at;
      level -= 1;
      if (level === 0) return at + 1;
    } else if (level === 0 && sign === ',') return at;
    at += 1;
  }
  return text.length;
}
