import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BlobStore } from '../blob-store.ts';

/** What every store of artifacts must do. @param open a new, empty store */
export function blobStoreSuite(name: string, open: () => Promise<BlobStore>): void {
  describe(`the ${name} store of artifacts`, () => {
    let store: BlobStore;
    let dir: string;
    const signal = new AbortController().signal;
    beforeAll(async () => {
      store = await open();
      dir = await mkdtemp(join(tmpdir(), 'trainyard-blobs-'));
      await store.check();
    });
    afterAll(() => rm(dir, { recursive: true, force: true }));

    let count = 0;
    async function put(bytes: Uint8Array): Promise<string> {
      const key = `${randomBytes(1).toString('hex')}/${randomBytes(32).toString('hex')}.${count}`;
      const file = join(dir, String(count++));
      await writeFile(file, bytes);
      await store.put({ key, file, sizeBytes: bytes.length, signal });
      return key;
    }
    const read = async (key: string, firstByte: number, endByte: number) =>
      buffer(await store.read({ key, firstByte, endByte }));
    async function keys(putBefore: Date): Promise<string[]> {
      const found: string[] = [];
      for await (const page of store.list({ putBefore })) found.push(...page);
      return found.sort();
    }

    // One byte, and on both sides of the size of a part.
    it.each([1, 8 * 1024 * 1024, 8 * 1024 * 1024 + 1, 20_000_000])('gives back %i bytes', async (size) => {
      const bytes = randomBytes(size);
      const key = await put(bytes);
      expect((await read(key, 0, size)).equals(bytes)).toBe(true);
      await store.remove({ key });
    });

    it('gives back any part', async () => {
      const bytes = randomBytes(1_000_000);
      const key = await put(bytes);
      for (const [first, end] of [
        [0, 1],
        [999_999, 1_000_000],
        [300_000, 700_001],
      ] as const) {
        expect((await read(key, first, end)).equals(bytes.subarray(first, end))).toBe(true);
      }
      await store.remove({ key });
    });

    it('keeps nothing apart from what was put, and an empty file too', async () => {
      const key = await put(new Uint8Array());
      expect(await keys(new Date(Date.now() + 60_000))).toEqual([key]);
      expect(await keys(new Date(Date.now() - 60_000))).toEqual([]);
      await store.remove({ key });
      expect(await keys(new Date(Date.now() + 60_000))).toEqual([]);
    });

    it('says so when nothing has a key, and removes nothing without complaint', async () => {
      const key = await put(new TextEncoder().encode('gone'));
      await store.remove({ key });
      await store.remove({ key });
      await expect(read(key, 0, 4)).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    });

    it('keeps what others put at the same time apart', async () => {
      const all = await Promise.all(
        Array.from({ length: 10 }, async (_, index) => put(new Uint8Array(1000).fill(index))),
      );
      for (const [index, key] of all.entries()) {
        expect(await read(key, 0, 1000)).toEqual(Buffer.alloc(1000, index));
        await store.remove({ key });
      }
    });

    it('puts nothing when it is ended', async () => {
      const file = join(dir, 'ended');
      await writeFile(file, randomBytes(9_000_000));
      const blob = {
        key: 'aa/ended.0',
        file,
        sizeBytes: 9_000_000,
        signal: AbortSignal.abort(new Error('stop')),
      };
      if (!store.place.startsWith('s3:')) return;
      await expect(store.put(blob)).rejects.toThrow('stop');
      expect(await keys(new Date(Date.now() + 60_000))).toEqual([]);
    });
  });
}
