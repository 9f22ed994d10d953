import { createReadStream } from 'node:fs';
import { mkdir, open, opendir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import type { BlobStore } from './blob-store.ts';
import { storageError } from './storage-error.ts';

const LIST_PAGE = 500;
const READ_PIECE_BYTES = 256 * 1024;

/**
 * Keeps content as files of a directory, which may be on a file system that several servers share. A file is moved to
 * its place when it is complete and on disk, so nothing half-written is ever found there.
 */
export function createDirectoryBlobStore(dir: string): BlobStore {
  const pathOf = (key: string): string => join(dir, key);

  async function put({ key, file }: { readonly key: string; readonly file: string }): Promise<void> {
    const path = pathOf(key);
    const folder = dirname(path);
    if ((await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined) await syncDirectory(dir);
    await rename(file, path);
    await syncDirectory(folder);
  }

  async function read(part: {
    readonly key: string;
    readonly firstByte: number;
    readonly endByte: number;
  }): Promise<Readable> {
    // Opened before the answer begins, so that what is missing can be told.
    const handle = await open(pathOf(part.key), 'r');
    return createReadStream('', {
      fd: handle,
      start: part.firstByte,
      end: part.endByte - 1,
      highWaterMark: READ_PIECE_BYTES,
    });
  }

  async function* list({ putBefore }: { readonly putBefore: Date }): AsyncGenerator<readonly string[]> {
    let keys: string[] = [];
    for await (const folder of await opendir(dir)) {
      if (!folder.isDirectory()) continue;
      for await (const { name } of await opendir(join(dir, folder.name))) {
        const key = `${folder.name}/${name}`;
        const found = await stat(pathOf(key)).catch(() => undefined);
        if (found === undefined || found.ctime >= putBefore) continue;
        keys.push(key);
        if (keys.length < LIST_PAGE) continue;
        yield keys;
        keys = [];
      }
    }
    if (keys.length > 0) yield keys;
  }

  const asOurs = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw storageError(error, dir);
    }
  };
  return {
    place: dir,
    check: () =>
      asOurs(async () => {
        await mkdir(dir, { recursive: true, mode: 0o700 });
        await syncDirectory(dir);
      }),
    put: (blob) => asOurs(() => put(blob)),
    read: (part) => asOurs(() => read(part)),
    remove: ({ key }) => asOurs(() => rm(pathOf(key), { force: true })),
    list,
  };
}

/** What was created or renamed in a directory is there for good only when the directory is on disk. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
