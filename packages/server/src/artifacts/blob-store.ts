import type { Readable } from 'node:stream';

/**
 * Where the content of artifacts is kept. Keys are made by us, are never used twice, and hold only digits, lower-case
 * letters, "/" and "."; what has a key never changes.
 */
export interface BlobStore {
  /** For messages, such as a directory or the address of a bucket. */
  readonly place: string;

  /**
   * Finds out whether it can be used.
   * @throws TrainyardError STORAGE_FAILED saying what is wrong
   */
  check(): Promise<void>;

  /**
   * Keeps the bytes of a file, which is on disk for good. When it resolves they are kept for good; when it rejects
   * nothing or all of it is there. The file itself may be gone afterwards.
   * @throws TrainyardError STORAGE_FULL, STORAGE_FAILED
   */
  put(blob: {
    readonly key: string;
    readonly file: string;
    readonly sizeBytes: number;
    readonly signal: AbortSignal;
  }): Promise<void>;

  /**
   * The bytes from `firstByte` to before `endByte`, as they are wanted.
   * @throws TrainyardError STORAGE_FAILED when nothing has that key
   */
  read(part: {
    readonly key: string;
    readonly firstByte: number;
    readonly endByte: number;
    readonly signal?: AbortSignal | undefined;
  }): Promise<Readable>;

  /** Removes what has that key, if anything does. */
  remove(blob: { readonly key: string }): Promise<void>;

  /** Keys of all that was put before an instant, in pages. */
  list(which: { readonly putBefore: Date }): AsyncIterable<readonly string[]>;
}
