import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { TrainyardError } from '@trainyard/protocol';
import { storageError } from './storage-error.ts';

/** What has arrived of files that are not complete yet, on this server's disk. */
export interface Staging {
  open(): Promise<void>;
  fileOf(id: string): string;
  /** Bytes that are there; 0 for an id that is new. */
  sizeOf(id: string): Promise<number>;
  /**
   * Adds bytes to a file, which are on disk for good when it resolves; what is there already is passed over. A
   * second call for the same file ends the first, whose client has given up most likely.
   * @returns how many bytes are there
   * @throws TrainyardError STREAM_GAP, TOO_LARGE, STORAGE_FULL, STORAGE_FAILED, INVALID_REQUEST when the body breaks off
   */
  append(part: {
    readonly id: string;
    readonly offset: number;
    readonly bytes: Readable;
    /** The file may not get larger. */
    readonly maxBytes: number;
    /** Of this part alone. */
    readonly maxPartBytes: number;
  }): Promise<number>;
  /** SHA-256 of the whole file. */
  sha256(id: string): Promise<string>;
  remove(id: string): Promise<void>;
  /** Ids of files that nothing was added to since an instant. */
  idle(since: Date): Promise<string[]>;
}

/** Hashes that are kept between parts, so that a large file is not read again at its end. */
const MAX_HASHES = 200;

interface RunningHash {
  readonly hash: Hash;
  bytes: number;
}

export function createStaging(dir: string): Staging {
  const hashes = new Map<string, RunningHash>();
  const writing = new Map<string, { readonly bytes: Readable; readonly done: Promise<unknown> }>();
  const fileOf = (id: string): string => join(dir, id);

  async function sizeOf(id: string): Promise<number> {
    const found = await stat(fileOf(id)).catch(() => undefined);
    return found?.size ?? 0;
  }

  /** The hash of what is there, if it was counted so far. */
  function hashOf(id: string, size: number): RunningHash | undefined {
    const running = size === 0 ? { hash: createHash('sha256'), bytes: 0 } : hashes.get(id);
    hashes.delete(id);
    return running?.bytes === size ? running : undefined;
  }

  function keepHash(id: string, running: RunningHash | undefined): void {
    if (running === undefined) return;
    hashes.set(id, running);
    if (hashes.size > MAX_HASHES) hashes.delete(hashes.keys().next().value!);
  }

  async function write(part: Parameters<Staging['append']>[0]): Promise<number> {
    const { id, offset, bytes, maxBytes, maxPartBytes } = part;
    const handle = await open(fileOf(id), 'a', 0o600);
    let size = (await handle.stat()).size;
    if (offset > size) {
      await handle.close();
      throw gap(size);
    }
    const running = hashOf(id, size);
    let skip = size - offset;
    let received = 0;
    try {
      for await (const piece of bytes as AsyncIterable<Buffer>) {
        received += piece.length;
        if (received > maxPartBytes) throw tooLarge('A part', maxPartBytes);
        const fresh = piece.subarray(Math.min(skip, piece.length));
        skip -= piece.length - fresh.length;
        if (fresh.length === 0) continue;
        if (size + fresh.length > maxBytes) throw tooLarge('The file', maxBytes);
        await writeAll(handle, fresh);
        size += fresh.length;
        if (running !== undefined) {
          running.hash.update(fresh);
          running.bytes = size;
        }
      }
      await handle.sync();
      return size;
    } catch (error) {
      if (isBrokenOff(error)) throw brokenOff(error);
      throw storageError(error, dir);
    } finally {
      keepHash(id, running);
      await handle.close();
    }
  }

  return {
    async open() {
      await mkdir(dir, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
        throw storageError(error, dir);
      });
    },
    fileOf,
    sizeOf,
    async append(part) {
      const before = writing.get(part.id);
      before?.bytes.destroy(new Error('another request went on with this upload'));
      const done = (async () => {
        await before?.done.catch(() => {});
        return write(part);
      })();
      const entry = { bytes: part.bytes, done };
      writing.set(part.id, entry);
      try {
        return await done;
      } finally {
        if (writing.get(part.id) === entry) writing.delete(part.id);
      }
    },
    async sha256(id) {
      const running = hashes.get(id);
      if (running !== undefined && running.bytes === (await sizeOf(id)))
        return running.hash.copy().digest('hex');
      const hash = createHash('sha256');
      for await (const piece of createReadStream(fileOf(id))) hash.update(piece as Buffer);
      return hash.digest('hex');
    },
    async remove(id) {
      hashes.delete(id);
      await rm(fileOf(id), { force: true });
    },
    async idle(since) {
      const found = await readdir(dir).catch(() => []);
      const old: string[] = [];
      for (const id of found) {
        const { mtime } = (await stat(fileOf(id)).catch(() => undefined)) ?? {};
        if (mtime !== undefined && mtime < since) old.push(id);
      }
      return old;
    },
  };
}

async function writeAll(handle: FileHandle, bytes: Buffer): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await handle.write(bytes, written)).bytesWritten;
  }
}

export function gap(size: number): TrainyardError {
  return new TrainyardError(
    'STREAM_GAP',
    `The server has ${size} bytes of this file; send the rest, beginning with that offset.`,
    { details: { size } },
  );
}

function tooLarge(what: string, maxBytes: number): TrainyardError {
  return new TrainyardError('TOO_LARGE', `${what} has more than ${maxBytes} bytes, which is the most.`);
}

/** Of the request, not of the disk. */
function isBrokenOff(error: unknown): boolean {
  if (error instanceof TrainyardError) return false;
  const { code, syscall } = error as NodeJS.ErrnoException;
  return code === 'ECONNRESET' || code === 'ERR_STREAM_PREMATURE_CLOSE' || syscall === undefined;
}

function brokenOff(cause: unknown): TrainyardError {
  return new TrainyardError(
    'INVALID_REQUEST',
    'The body of the request broke off. What had arrived is kept for an upload that is gone on with.',
    { cause },
  );
}
