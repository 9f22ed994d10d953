/** Memory for one chunk of a file that is read and sent. Taken again for the next one, of whichever stream. */
export class ChunkRoom {
  #buffer: Buffer<ArrayBuffer> | undefined;

  /** Good until the next call. */
  of(bytes: number): Buffer {
    if (bytes < LARGE_READ_BYTES) return Buffer.allocUnsafe(bytes);
    if (this.#buffer === undefined || this.#buffer.length < bytes)
      this.#buffer = Buffer.allocUnsafeSlow(bytes);
    return this.#buffer;
  }

  /** Gives the memory back, at once and not when it is collected: nobody reads what was in it. */
  release(): void {
    this.#buffer?.buffer.transfer(0);
    this.#buffer = undefined;
  }
}

/** Smaller ones are soon collected. */
const LARGE_READ_BYTES = 128 * 1024;
