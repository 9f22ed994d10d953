import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { createDirectoryBlobStore } from './directory-blob-store.ts';
import { blobStoreSuite } from './testing/blob-store.testsuite.ts';

const dirs: string[] = [];
afterAll(() => Promise.all(dirs.map((dir) => rm(dir, { recursive: true, force: true }))));

async function newDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'trainyard-content-'));
  dirs.push(dir);
  return dir;
}

blobStoreSuite('directory', async () => createDirectoryBlobStore(join(await newDir(), 'content')));

it('says where it cannot write', async () => {
  const file = join(await newDir(), 'a-file');
  await writeFile(file, '');
  const store = createDirectoryBlobStore(join(file, 'content'));
  await expect(store.check()).rejects.toMatchObject({
    code: 'STORAGE_FAILED',
    message: expect.stringContaining(file),
  });
});
