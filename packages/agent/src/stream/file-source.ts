import { type FSWatcher, type Stats, statSync, watch } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { WakeableWait } from '../wakeable-wait.ts';
import type { ByteSource, SourceLook } from './byte-source.ts';
import { ChunkRoom } from './chunk-room.ts';
import { punchHole } from './punch-hole.ts';

/**
 * A file of this machine. It may appear later, grow, be truncated or be replaced. Of a hundred jobs most write nothing
 * at the moment, so what finds nothing new asks the system directly: by way of a thread that takes ten times the CPU.
 */
export class FileSource implements ByteSource {
  readonly name: string;
  #handle: FileHandle | undefined;
  /** Two who look at once share it: of two handles only one would ever be closed. */
  #opening: Promise<FileHandle | undefined> | undefined;
  #isClosed = false;
  #identity = '';
  #watcher: FSWatcher | undefined;
  #watched = '';
  readonly #waits = new WakeableWait();
  /** Where the last look ended: the file has grown if it is longer now. */
  #seenSize = 0;

  constructor(path: string) {
    this.name = path;
  }

  async look(offset: number, maxBytes: number, room = new ChunkRoom()): Promise<SourceLook | undefined> {
    const unread = this.#lookWithoutReading(offset, maxBytes);
    if (unread !== undefined) return unread;
    const handle = await this.#open();
    if (handle === undefined) return undefined;
    const { size } = await handle.stat();
    if (offset >= size && this.#isReplaced()) {
      await this.#closeFile();
      return this.look(offset, maxBytes, room);
    }
    const wanted = Math.min(Math.max(0, size - offset), maxBytes);
    this.#seenSize = size;
    if (wanted === 0) return { identity: this.#identity, size, bytes: NOTHING };
    const { bytesRead, buffer } = await handle.read(room.of(wanted), 0, wanted, offset);
    return { identity: this.#identity, size, bytes: buffer.subarray(0, bytesRead) };
  }

  /** Which content it has, as far as its times tell. Those of a change a moment ago may be those of the next one. */
  stamp(): string | undefined {
    const found = statNow(this.name);
    if (found === undefined || Date.now() - found.ctimeMs < SETTLED_MS) return undefined;
    return `${found.ino} ${found.size} ${found.ctimeMs} ${found.mtimeMs}`;
  }

  async waitForMore(ms: number, wake: AbortSignal): Promise<void> {
    if (wake.aborted) return;
    this.#watch(this.#handle === undefined ? dirname(this.name) : this.name);
    // What was appended before the watch began is seen by no watch.
    if (this.#hasChanged()) return;
    const longest = this.#watcher === undefined ? Math.min(ms, UNWATCHED_POLL_MS) : ms;
    await this.#waits.wait(longest, wake);
  }

  async free(from: number, to: number): Promise<void> {
    await punchHole(this.name, from, to - from);
  }

  /** For good: there is nothing to see from then on. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#closeFile();
  }

  /** Where the path still leads to the file that is open, and no byte of it is wanted or left. */
  #lookWithoutReading(offset: number, maxBytes: number): SourceLook | undefined {
    if (this.#handle === undefined) return undefined;
    const found = statNow(this.name);
    if (found === undefined || identityOf(found) !== this.#identity) return undefined;
    if (maxBytes > 0 && offset < found.size) return undefined;
    this.#seenSize = found.size;
    return { identity: this.#identity, size: found.size, bytes: NOTHING };
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
      if (statSync(this.name, { throwIfNoEntry: false }) === undefined) return undefined;
      const handle = await open(this.name, 'r');
      this.#handle = handle;
      this.#identity = identityOf(await handle.stat());
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    return this.#handle;
  }

  /** Does the path lead to another file than the one that is open? */
  #isReplaced(): boolean {
    const current = statNow(this.name);
    return current !== undefined && identityOf(current) !== this.#identity;
  }

  #hasChanged(): boolean {
    const current = statNow(this.name);
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
   * Watches the file, or for it to appear, until there is an event: a program that writes small pieces without a
   * pause would keep the event loop busy with the events of a watch that stays. Where files cannot be watched they
   * are polled more often.
   */
  #watch(path: string): void {
    if (this.#watcher !== undefined && this.#watched === path) return;
    this.#unwatch();
    try {
      this.#watcher = watch(path, { persistent: false }, () => {
        this.#unwatch();
        this.#waits.wake();
      });
      this.#watched = path;
      this.#watcher.on('error', () => this.#unwatch());
    } catch {
      // Too many watches, or the directory is not there yet.
    }
  }
}

const NOTHING = new Uint8Array(0);
const UNWATCHED_POLL_MS = 100;
/** The times of files stand still for some milliseconds, on some file systems for a second. */
const SETTLED_MS = 2000;

/** `undefined` where there is none, or it cannot be asked. */
function statNow(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** Not the device: its number may change when the machine or the container starts again. */
function identityOf(file: { readonly ino: number }): string {
  return String(file.ino);
}
