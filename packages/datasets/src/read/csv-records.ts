import { invalidData } from '../dataset-error.ts';
import { DATASET_LIMITS } from '../dataset-limits.ts';
import { decodeText } from './decode-text.ts';
import { readLineBlocks } from './read-blocks.ts';

/** Fields of a record; null is a field with nothing in it, '' one with `""`. */
export type CsvFields = (string | null)[];

export interface CsvRecords {
  readonly records: readonly CsvFields[];
  /** Line on which each record begins. */
  readonly lines: readonly number[];
}

/**
 * Records of a CSV file (RFC 4180; lines end in LF or CRLF), in batches. Blank lines are left out where a
 * record has several fields.
 * @throws TrainyardError DATASET_INVALID naming the line
 */
export async function* readCsvRecords(
  path: string,
  delimiter: string,
  signal?: AbortSignal,
): AsyncGenerator<CsvRecords, void> {
  const splitter = new CsvSplitter(path, delimiter);
  for await (const block of readLineBlocks(path, signal)) {
    const batch = splitter.take(decodeText(block, path, splitter.nextLine));
    if (batch.records.length > 0) yield batch;
  }
  splitter.finish();
}

class CsvSplitter {
  readonly #path: string;
  readonly #delimiter: string;
  /** The start of a record that goes on in the next block: inside of a field with quotes. */
  #open = '';
  #line = 1;

  constructor(path: string, delimiter: string) {
    this.#path = path;
    this.#delimiter = delimiter;
  }

  /** Line of the first character that `take` is given next. */
  get nextLine(): number {
    return this.#line + countLines(this.#open, 0, this.#open.length);
  }

  take(block: string): CsvRecords {
    const text = this.#open === '' ? block : this.#open + block;
    this.#open = '';
    const records: CsvFields[] = [];
    const lines: number[] = [];
    let at = 0;
    let nextQuote = text.indexOf('"');
    while (at < text.length) {
      const newline = text.indexOf('\n', at);
      const end = newline === -1 ? text.length : newline;
      if (nextQuote === -1 || nextQuote > end) {
        records.push(this.#plainFields(text, at, end));
        lines.push(this.#line);
        this.#line += 1;
        at = end + 1;
        continue;
      }
      const quoted = this.#quotedFields(text, at);
      if (quoted === undefined) {
        this.#open = text.slice(at);
        this.#checkLength();
        break;
      }
      records.push(quoted.fields);
      lines.push(this.#line);
      this.#line += countLines(text, at, quoted.end - 1) + 1;
      at = quoted.end;
      nextQuote = text.indexOf('"', at);
    }
    return { records, lines };
  }

  /** @throws TrainyardError when a field with quotes was never closed */
  finish(): void {
    if (this.#open !== '')
      throw this.#invalid(this.#line, 'a field that begins with a quote is never closed');
  }

  #plainFields(text: string, start: number, end: number): CsvFields {
    const line = text.slice(start, text.charCodeAt(end - 1) === 13 && end > start ? end - 1 : end);
    if (line.includes('\r')) {
      throw this.#invalid(this.#line, LONE_RETURN);
    }
    const fields: CsvFields = line.split(this.#delimiter);
    for (let index = 0; index < fields.length; index += 1) if (fields[index] === '') fields[index] = null;
    return fields;
  }

  /** Undefined when the record goes on behind the text. */
  #quotedFields(
    text: string,
    start: number,
  ): { readonly fields: CsvFields; readonly end: number } | undefined {
    const fields: CsvFields = [];
    let at = start;
    for (;;) {
      if (text[at] === '"') {
        const close = closingQuote(text, at + 1);
        if (close === -1) return undefined;
        fields.push(text.slice(at + 1, close).replaceAll('""', '"'));
        at = close + 1;
      } else {
        const end = this.#plainEnd(text, at);
        const field = text.slice(at, end);
        if (field.includes('"')) {
          throw this.#invalid(
            this.#line,
            'there is a quote inside of a field without quotes; put the field into quotes and write each quote twice',
          );
        }
        fields.push(field === '' ? null : field);
        at = end;
      }
      if (text[at] === this.#delimiter) at += 1;
      else if (at >= text.length) return { fields, end: at + 1 };
      else if (text[at] === '\n') return { fields, end: at + 1 };
      else if (text[at] === '\r' && text[at + 1] === '\n') return { fields, end: at + 2 };
      else if (text[at] === '\r' && at + 1 === text.length) return { fields, end: at + 2 };
      else
        throw this.#invalid(
          this.#line,
          text[at] === '\r' ? LONE_RETURN : 'a field goes on behind its closing quote',
        );
    }
  }

  #plainEnd(text: string, from: number): number {
    let at = from;
    for (; at < text.length; at += 1) {
      const character = text[at];
      if (character === this.#delimiter || character === '\n' || character === '\r') break;
    }
    return at;
  }

  #checkLength(): void {
    if (this.#open.length > DATASET_LIMITS.recordBytes) {
      throw this.#invalid(
        this.#line,
        `the record is longer than ${DATASET_LIMITS.recordBytes} characters; a quote may be missing`,
      );
    }
  }

  #invalid(line: number, problem: string) {
    return invalidData(this.#path, `line ${line}: ${problem}`);
  }
}

const LONE_RETURN = 'there is a carriage return that ends no line; put the field into quotes';

/** Index of the quote that ends a field, -1 when there is none. */
function closingQuote(text: string, from: number): number {
  let at = text.indexOf('"', from);
  while (at !== -1 && text[at + 1] === '"') at = text.indexOf('"', at + 2);
  return at;
}

function countLines(text: string, from: number, to: number): number {
  let count = 0;
  for (let at = text.indexOf('\n', from); at !== -1 && at < to; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}
