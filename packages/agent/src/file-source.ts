import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { pause } from './backoff.ts';
import type { ByteSource, SourceLook } from './byte-source.ts';
import { punchHole } from './punch-hole.ts';

/** A file of this machine. It may appear later, grow, be truncated or be replaced. */
export class FileSource implements ByteSource {
  readonly name: string;
  #handle: FileHandle | undefined;
  #identity = '';
  #watcher: FSWatcher | undefined;
  #onChange: () => void = () => {};
  /** Where the last look ended: the file has grown if it is longer now. */
  #seenSize = 0;

  constructor(path: string) {
    this.name = path;
  }

  async look(offset: number, maxBytes: number): Promise<SourceLook | undefined> {
    const handle = await this.#open();
    if (handle === undefined) return undefined;
    const { size } = await handle.stat();
    if (offset >= size && (await this.#isReplaced())) {
      await this.#closeFile();
      return this.look(offset, maxBytes);
    }
    const wanted = Math.min(Math.max(0, size - offset), maxBytes);
    this.#seenSize = size;
    if (wanted === 0) return { identity: this.#identity, size, bytes: NOTHING };
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(wanted), 0, wanted, offset);
    return { identity: this.#identity, size, bytes: buffer.subarray(0, bytesRead) };
  }

  async waitForMore(ms: number, wake: AbortSignal): Promise<void> {
    if (wake.aborted) return;
    this.#watcher ??= this.#watch();
    const changed = new AbortController();
    this.#onChange = () => changed.abort();
    // What was appended before the watch began is seen by no watch.
    if (await this.#hasChanged()) return;
    const longest = this.#watcher === undefined ? Math.min(ms, UNWATCHED_POLL_MS) : ms;
    await pause(longest, AbortSignal.any([wake, changed.signal])).catch(() => undefined);
  }

  async free(from: number, to: number): Promise<void> {
    await punchHole(this.name, from, to - from);
  }

  async close(): Promise<void> {
    await this.#closeFile();
  }

  async #open(): Promise<FileHandle | undefined> {
    if (this.#handle !== undefined) return this.#handle;
    try {
      const handle = await open(this.name, 'r');
      this.#handle = handle;
      this.#identity = identityOf(await handle.stat());
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    return this.#handle;
  }

  /** Does the path lead to another file than the one that is open? */
  async #isReplaced(): Promise<boolean> {
    const current = await stat(this.name).catch(() => undefined);
    return current !== undefined && identityOf(current) !== this.#identity;
  }

  async #hasChanged(): Promise<boolean> {
    const current = await stat(this.name).catch(() => undefined);
    if (current === undefined) return false;
    return (
      this.#handle === undefined || current.size !== this.#seenSize || identityOf(current) !== this.#identity
    );
  }

  async #closeFile(): Promise<void> {
    this.#watcher?.close();
    this.#watcher = undefined;
    await this.#handle?.close();
    this.#handle = undefined;
  }

  /** `undefined` where files cannot be watched, or when there is none yet: it is polled more often then. */
  #watch(): FSWatcher | undefined {
    if (this.#handle === undefined) return undefined;
    try {
      const watcher = watch(this.name, { persistent: false }, () => this.#onChange());
      watcher.on('error', () => {
        watcher.close();
        if (this.#watcher === watcher) this.#watcher = undefined;
      });
      return watcher;
    } catch {
      return undefined;
    }
  }
}

const NOTHING = new Uint8Array(0);
const UNWATCHED_POLL_MS = 100;

/** Not the device: its number may change when the machine or the container starts again. */
function identityOf(file: { readonly ino: number }): string {
  return String(file.ino);
}
