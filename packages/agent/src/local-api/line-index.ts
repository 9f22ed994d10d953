import { open } from 'node:fs/promises';

/** Every so many lines the place of one is remembered. */
const SPACING = 1000;
const READ_BYTES = 1024 * 1024;
/** Bytes that one call looks at; of a longer file the rest follows with the next calls. */
const MAX_BYTES_PER_CALL = 256 * READ_BYTES;
const MAX_ANSWER_BYTES = 8 * READ_BYTES;
const NEWLINE = 10;

/** Finds lines of a growing file by their numbers; each byte is looked at once. */
export class LineIndex {
  readonly #path: string;
  /** Where line `n * SPACING` begins. */
  readonly #places: number[] = [0];
  #scanned = 0;
  #lines = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** Lines with their ends, from number `offset` on; an unfinished last line counts when `atEnd`. */
  async read(
    offset: number,
    limit: number,
    atEnd: boolean,
  ): Promise<{ lines: string[]; totalLines: number }> {
    const handle = await open(this.#path, 'r').catch(() => undefined);
    if (handle === undefined) return { lines: [], totalLines: 0 };
    try {
      const size = await this.#scan(handle);
      const start = this.#places[Math.min(Math.floor(offset / SPACING), this.#places.length - 1)]!;
      const skip = offset - Math.min(Math.floor(offset / SPACING), this.#places.length - 1) * SPACING;
      const wanted = Buffer.alloc(Math.min(MAX_ANSWER_BYTES, Math.max(0, size - start)));
      const { bytesRead } = await handle.read(wanted, 0, wanted.length, start);
      const all = wanted.toString('utf8', 0, bytesRead).split('\n');
      const rest = all.pop();
      const hasRest = atEnd && rest !== '' && start + bytesRead === size;
      if (hasRest) all.push(rest!);
      return { lines: all.slice(skip, skip + limit), totalLines: this.#lines + (hasRest ? 1 : 0) };
    } finally {
      await handle.close();
    }
  }

  async #scan(handle: Awaited<ReturnType<typeof open>>): Promise<number> {
    const { size } = await handle.stat();
    const until = Math.min(size, this.#scanned + MAX_BYTES_PER_CALL);
    const buffer = Buffer.alloc(Math.min(READ_BYTES, Math.max(0, until - this.#scanned)));
    while (this.#scanned < until) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, this.#scanned);
      if (bytesRead === 0) break;
      const read = buffer.subarray(0, bytesRead);
      for (let at = read.indexOf(NEWLINE); at >= 0; at = read.indexOf(NEWLINE, at + 1)) {
        this.#lines += 1;
        if (this.#lines % SPACING === 0) this.#places.push(this.#scanned + at + 1);
      }
      this.#scanned += bytesRead;
    }
    return size;
  }
}
