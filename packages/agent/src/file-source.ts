import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pause } from './backoff.ts';
import type { ByteSource, SourceLook } from './byte-source.ts';
import { punchHole } from './punch-hole.ts';

/** A file of this machine. It may appear later, grow, be truncated or be replaced. */
export class FileSource implements ByteSource {
  readonly name: string;
  #handle: FileHandle | undefined;
  /** Two who look at once share it: of two handles only one would ever be closed. */
  #opening: Promise<FileHandle | undefined> | undefined;
  #isClosed = false;
  #identity = '';
  #watcher: FSWatcher | undefined;
  /** Where the last look ended: the file has grown if it is longer now. */
  #seenSize = 0;
  #buffer: Buffer | undefined;

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
    const { bytesRead, buffer } = await handle.read(this.#room(wanted), 0, wanted, offset);
    return { identity: this.#identity, size, bytes: buffer.subarray(0, bytesRead) };
  }

  async waitForMore(ms: number, wake: AbortSignal): Promise<void> {
    this.#buffer = undefined;
    if (wake.aborted) return;
    const changed = new AbortController();
    this.#watch(this.#handle === undefined ? dirname(this.name) : this.name, () => changed.abort());
    // What was appended before the watch began is seen by no watch.
    if (!(await this.#hasChanged())) {
      const longest = this.#watcher === undefined ? Math.min(ms, UNWATCHED_POLL_MS) : ms;
      await pause(longest, AbortSignal.any([wake, changed.signal])).catch(() => undefined);
    }
    this.#unwatch();
  }

  async free(from: number, to: number): Promise<void> {
    await punchHole(this.name, from, to - from);
  }

  /** For good: there is nothing to see from then on. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#closeFile();
  }

  /** Large reads follow each other closely and take the same memory. */
  #room(bytes: number): Buffer {
    if (bytes < LARGE_READ_BYTES) return Buffer.allocUnsafe(bytes);
    if (this.#buffer === undefined || this.#buffer.length < bytes)
      this.#buffer = Buffer.allocUnsafeSlow(bytes);
    return this.#buffer;
  }

  async #open(): Promise<FileHandle | undefined> {
    if (this.#isClosed) return undefined;
    if (this.#handle !== undefined) return this.#handle;
    this.#opening ??= this.#openFile().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #openFile(): Promise<FileHandle | undefined> {
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
    this.#unwatch();
    await this.#opening?.catch(() => undefined);
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  /**
   * Watches the file, or for it to appear, for one event: a program that writes small pieces without a pause
   * would keep the event loop busy with the events of a watch that stays. Where files cannot be watched they
   * are polled more often.
   */
  #watch(path: string, onChange: () => void): void {
    this.#unwatch();
    try {
      this.#watcher = watch(path, { persistent: false }, () => {
        this.#unwatch();
        onChange();
      });
      this.#watcher.on('error', () => this.#unwatch());
    } catch {
      // Too many watches, or the directory is not there yet.
    }
  }
}

const NOTHING = new Uint8Array(0);
/** Of these reads the bytes are good until the next one. */
const LARGE_READ_BYTES = 128 * 1024;
const UNWATCHED_POLL_MS = 100;

/** Not the device: its number may change when the machine or the container starts again. */
function identityOf(file: { readonly ino: number }): string {
  return String(file.ino);
}
