import { invalidData } from '../dataset-error.ts';
import { DATASET_LIMITS } from '../dataset-limits.ts';
import type { Row } from '../dataset-value.ts';
import { decodeText } from './decode-text.ts';
import { readJsonRow } from './jsonl-rows.ts';
import { readBlocks, withoutMark } from './read-blocks.ts';

export interface JsonOptions {
  /** `list` refuses objects that stand one after the other without a list around them. */
  readonly shape?: 'any' | 'list' | undefined;
}

/**
 * Rows of a JSON file: a list of objects, or objects one after the other. Read piece by piece, so the size of
 * the file does not matter.
 * @throws TrainyardError DATASET_INVALID naming the row
 */
export async function* readJsonRows(
  path: string,
  { shape = 'any' }: JsonOptions = {},
  signal?: AbortSignal,
): AsyncGenerator<Row[], void> {
  const splitter = new JsonSplitter(path, shape);
  let isFirst = true;
  for await (const block of readBlocks(path, signal)) {
    const rows = splitter.take(isFirst ? withoutMark(block) : block);
    isFirst = false;
    if (rows.length > 0) yield rows;
  }
  splitter.finish();
}

const [QUOTE, COMMA, OPEN_LIST, BACKSLASH, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = Buffer.from('",[\\]{}');

/** In a list: what may come next. Behind its end nothing may. */
type Expected = 'start' | 'first row' | 'row' | 'comma' | 'nothing' | 'object';

/** Finds the objects of a list in its bytes; each is then parsed by itself. */
class JsonSplitter {
  readonly #path: string;
  readonly #shape: 'any' | 'list';
  #expected: Expected = 'start';
  #row = 0;
  /** Objects and lists that are open inside of a row. */
  #depth = 0;
  #inText = false;
  #isEscaped = false;
  /** The start of a row that goes on in the next block. */
  #open: Buffer[] = [];
  #openBytes = 0;

  constructor(path: string, shape: 'any' | 'list') {
    this.#path = path;
    this.#shape = shape;
  }

  take(block: Buffer): Row[] {
    const rows: Row[] = [];
    let start = this.#depth > 0 ? 0 : -1;
    for (let at = 0; at < block.length; at += 1) {
      if (this.#depth === 0) {
        if (this.#between(block[at]!)) {
          start = at;
          this.#depth = 1;
        }
        continue;
      }
      if (this.#inText) {
        at = this.#skipText(block, at);
        continue;
      }
      const byte = block[at];
      if (byte === QUOTE) this.#inText = true;
      else if (byte === OPEN_OBJECT || byte === OPEN_LIST) this.#depth += 1;
      else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
        this.#depth -= 1;
        if (this.#depth === 0) rows.push(this.#finishRow(block.subarray(start, at + 1)));
      }
    }
    if (this.#depth > 0) this.#keep(block.subarray(start));
    return rows;
  }

  /** @throws TrainyardError when the file ends too early */
  finish(): void {
    const isWhole = this.#expected === 'start' || this.#expected === 'nothing' || this.#expected === 'object';
    if (this.#depth > 0) throw this.#invalid(`the file ends inside of row ${this.#row}`);
    if (!isWhole) throw this.#invalid(`the file ends before its list does, behind row ${this.#row}`);
  }

  /** Takes a byte outside of rows. @returns whether a row begins with it */
  #between(byte: number): boolean {
    if (byte === 32 || byte === 10 || byte === 13 || byte === 9) return false;
    switch (this.#expected) {
      case 'start':
        if (byte === OPEN_LIST) {
          this.#expected = 'first row';
          return false;
        }
        if (byte !== OPEN_OBJECT || this.#shape === 'list')
          throw this.#invalid('a JSON file holds a list of objects');
        return this.#beginRow('object');
      case 'object':
        if (byte === OPEN_OBJECT) return this.#beginRow('object');
        throw this.#invalid(`something else than an object stands behind row ${this.#row}`);
      case 'first row':
      case 'row':
        if (byte === OPEN_OBJECT) return this.#beginRow('comma');
        if (byte !== CLOSE_LIST || this.#expected === 'row')
          throw this.#invalid(`row ${this.#row + 1} is not an object`);
        this.#expected = 'nothing';
        return false;
      case 'comma':
        if (byte !== COMMA && byte !== CLOSE_LIST)
          throw this.#invalid(`there is no comma behind row ${this.#row}`);
        this.#expected = byte === COMMA ? 'row' : 'nothing';
        return false;
      default:
        throw this.#invalid('there is something behind the end of the list');
    }
  }

  #beginRow(next: Expected): true {
    this.#row += 1;
    this.#expected = next;
    return true;
  }

  /** @returns index of the last byte that belongs to the text */
  #skipText(block: Buffer, from: number): number {
    for (let at = from; at < block.length; at += 1) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (block[at] === BACKSLASH) this.#isEscaped = true;
      else if (block[at] === QUOTE) {
        this.#inText = false;
        return at;
      }
    }
    return block.length;
  }

  #finishRow(end: Buffer): Row {
    const bytes = this.#openBytes === 0 ? end : Buffer.concat([...this.#open, end]);
    this.#open = [];
    this.#openBytes = 0;
    const where = (): string => `row ${this.#row}`;
    return readJsonRow(decodeText(bytes, this.#path, 1), this.#path, where);
  }

  #keep(part: Buffer): void {
    this.#open.push(part);
    this.#openBytes += part.length;
    if (this.#openBytes > DATASET_LIMITS.recordBytes) {
      throw this.#invalid(`row ${this.#row} is longer than ${DATASET_LIMITS.recordBytes} bytes`);
    }
  }

  #invalid(problem: string) {
    return invalidData(this.#path, problem);
  }
}
