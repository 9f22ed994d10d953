import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';

/** What tells that a file was not touched: the same for the same state of the same file. */
export interface FileStamp {
  readonly sizeBytes: number;
  readonly text: string;
}

export interface HashedFile {
  readonly sha256: string;
  readonly stamp: FileStamp;
}

/** Files that are remembered; beyond that the longest unused are forgotten. */
const MAX_REMEMBERED = 100_000;
/**
 * A file that was touched a shorter time ago is read again the next time: within the resolution of a file
 * system's clock it could change without a new time.
 */
const SETTLED_MS = 2000;
const CHUNK_BYTES = 1024 * 1024;

/** Hashes of files, so that what many stages name is read once as long as nobody touches it. */
export class HashMemory {
  readonly #known = new Map<string, HashedFile>();
  readonly #settledMs: number;

  constructor(settledMs = SETTLED_MS) {
    this.#settledMs = settledMs;
  }

  /** @param onBytes told of what was read. @throws what reading throws, and the signal's reason */
  async hash(
    path: string,
    options: { readonly signal?: AbortSignal | undefined; readonly onBytes?: (bytes: number) => void } = {},
  ): Promise<HashedFile> {
    const readAtMs = Date.now();
    const before = await stampOf(path);
    const known = this.#known.get(path);
    this.#known.delete(path);
    if (known !== undefined && known.stamp.text === before.stamp.text) {
      this.#known.set(path, known);
      return known;
    }
    const hash = createHash('sha256');
    const { signal, onBytes } = options;
    const chunks = createReadStream(path, {
      highWaterMark: CHUNK_BYTES,
      ...(signal === undefined ? {} : { signal }),
    });
    for await (const chunk of chunks) {
      hash.update(chunk as Buffer);
      onBytes?.((chunk as Buffer).length);
    }
    const hashed = { sha256: hash.digest('hex'), stamp: before.stamp };
    const isSettled = readAtMs - before.touchedAtMs >= this.#settledMs;
    if (isSettled && (await stampOf(path)).stamp.text === before.stamp.text) this.#remember(path, hashed);
    return hashed;
  }

  #remember(path: string, hashed: HashedFile): void {
    this.#known.set(path, hashed);
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_REMEMBERED) return;
      this.#known.delete(oldest);
    }
  }
}

async function stampOf(path: string) {
  const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  return {
    stamp: { sizeBytes: Number(size), text: `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}` },
    touchedAtMs: Math.max(Number(mtimeNs / 1_000_000n), Number(ctimeNs / 1_000_000n)),
  };
}
