import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDataset } from '../open-dataset.ts';
import { allOf } from '../testing/all-of.ts';
import { tempDir, tempFile } from '../testing/temp-dir.ts';
import { numbersTable, shardBytes, writeParquet, writeSavedDataset } from '../testing/write-files.ts';

describe('the kind of a dataset', () => {
  it.each([
    ['data.CSV', 'n\n1\n', 'csv'],
    ['data.Json', '[{"n":1}]', 'json'],
    ['data.JSONL', '{"n":1}\n', 'jsonl'],
  ])('is that of the end of the name, in any case: %s', async (name, text, kind) => {
    const dataset = await openDataset(await tempFile(name, text));
    expect([dataset.kind, await allOf(dataset.rows())]).toEqual([kind, [{ n: 1 }]]);
  });

  it('is that of a Parquet file', async () => {
    const path = join(await tempDir(), 'data.PARQUET');
    await writeParquet(path, 'select 1::bigint as n');
    const dataset = await openDataset(path);
    expect([dataset.kind, await allOf(dataset.rows())]).toEqual(['parquet', [{ n: 1 }]]);
  });

  it('is that of a saved dataset for a directory with dataset_info.json, whatever its name ends in', async () => {
    const dir = join(await tempDir(), 'saved.csv');
    await writeSavedDataset(dir, { 'data-00000-of-00001.arrow': shardBytes([numbersTable(0, 3)]) });
    const dataset = await openDataset(dir);
    expect([dataset.kind, await dataset.count()]).toEqual(['huggingface', 3]);
  });

  it.each(['data.txt', 'data.csv.gz', 'data', 'parquet'])(
    'is refused for %s, naming the path and what is supported',
    async (name) => {
      const path = await tempFile(name, 'n\n1\n');
      await expect(openDataset(path)).rejects.toMatchObject({ code: 'DATASET_UNSUPPORTED' });
      await expect(openDataset(path)).rejects.toThrow(path);
      await expect(openDataset(path)).rejects.toThrow(
        /\.csv, \.json, \.jsonl or \.parquet, and http, https, s3 and hf/,
      );
    },
  );

  it('is refused for a directory that nobody saved a dataset in, and for other schemes', async () => {
    await expect(openDataset(await tempDir())).rejects.toThrow('is a directory without dataset_info.json');
    await expect(openDataset('file:///etc/passwd')).rejects.toMatchObject({ code: 'DATASET_UNSUPPORTED' });
    await expect(openDataset('ftp://example.com/a.csv')).rejects.toMatchObject({
      code: 'DATASET_UNSUPPORTED',
    });
    await expect(openDataset('https://example.com/a.csv')).rejects.toMatchObject({ code: 'DATASET_REFUSED' });
  });

  it('is asked of a path that is not there without making anything', async () => {
    const dir = await tempDir();
    await expect(openDataset(join(dir, 'no', 'data.csv'))).rejects.toMatchObject({ code: 'DATASET_MISSING' });
    expect(await readdir(dir)).toEqual([]);
  });

  it('is refused for what is no regular file', async () => {
    await expect(openDataset('/dev/null')).rejects.toThrow('no regular file');
  });
});

describe('directories from which datasets may be read', () => {
  it('keep paths and links out that lead elsewhere', async () => {
    const dir = await tempDir();
    const root = join(dir, 'root');
    await mkdir(root);
    await writeFile(join(root, 'in.csv'), 'n\n1\n');
    await writeFile(join(dir, 'out.csv'), 'n\n1\n');
    await symlink(join(dir, 'out.csv'), join(root, 'link.csv'));
    await symlink(dir, join(root, 'up'));
    const open = (path: string) => openDataset(path, { roots: [root] });
    expect(await (await open(join(root, 'in.csv'))).count()).toBe(1);
    for (const path of ['link.csv', '../out.csv', 'up/out.csv', '../../../../etc/passwd', '../missing.csv']) {
      await expect(open(`${root}/${path}`)).rejects.toMatchObject({ code: 'DATASET_REFUSED' });
    }
    await expect(open(join(root, 'missing.csv'))).rejects.toMatchObject({ code: 'DATASET_MISSING' });
  });

  it('hold for every shard of a saved dataset', async () => {
    const dir = await tempDir();
    const root = join(dir, 'root');
    await writeSavedDataset(root, {});
    await writeFile(join(dir, 'out.arrow'), shardBytes([numbersTable(0, 1)]));
    await symlink(join(dir, 'out.arrow'), join(root, 'data.arrow'));
    await writeSavedDataset(root, {}, { order: ['data.arrow'] });
    await expect(openDataset(root, { roots: [root] })).rejects.toMatchObject({ code: 'DATASET_REFUSED' });
    await writeSavedDataset(root, {}, { order: ['../out.arrow'] });
    await expect(openDataset(root)).rejects.toThrow('is no file name');
  });
});
