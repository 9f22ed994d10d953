import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDataset } from '../open-dataset.ts';
import { allOf } from '../testing/all-of.ts';
import { tempDir, tempFile } from '../testing/temp-dir.ts';
import { numbersTable, shardBytes, writeParquet, writeSavedDataset } from '../testing/write-files.ts';

/** Written by Hugging Face datasets 5.2.0 (Apache Arrow 26.0.1): `DatasetDict.save_to_disk`, 3 shards and 1. */
const SAVED_DICT = join(import.meta.dirname, '../../fixtures/saved-dict');

describe('a Parquet file', () => {
  it.each(['snappy', 'zstd', 'gzip', 'uncompressed'])(
    'compressed by %s gives its rows in order',
    async (codec) => {
      const path = join(await tempDir(), 'data.parquet');
      await writeParquet(
        path,
        'select range as n from range(10000)',
        `, compression '${codec}', row_group_size 2048`,
      );
      const dataset = await openDataset(path);
      const rows = await allOf(dataset.rows());
      expect(rows.map(({ n }) => n)).toEqual(Array.from({ length: 10_000 }, (_, n) => n));
      expect([await dataset.count(), (await dataset.schema()).columns]).toEqual([
        10_000,
        [{ name: 'n', type: 'BIGINT' }],
      ]);
    },
  );

  it('keeps every kind of value', async () => {
    const path = join(await tempDir(), 'data.parquet');
    await writeParquet(
      path,
      `select 9007199254740993::bigint as big, 18446744073709551615::ubigint as u, 12.340::decimal(9, 3) as d,
        date '1969-12-31' as day, timestamp '2026-01-31 12:00:00.5' as at, timestamptz '2026-01-31 12:00:00+01' as zone,
        'x'::blob as raw, [1, null] as list, {'a': 1, 'b': ['y']} as struct, map {'k': 1} as map, 'nan'::double as nan,
        null::varchar as nothing, '' as empty, time '01:02:03' as time`,
    );
    const [row] = await (await openDataset(path)).preview();
    expect(row).toEqual({
      big: 9007199254740993n,
      u: 18446744073709551615n,
      d: '12.340',
      day: '1969-12-31',
      at: '2026-01-31 12:00:00.5',
      zone: '2026-01-31 11:00:00+00',
      raw: Uint8Array.from([120]),
      list: [1, null],
      struct: { a: 1, b: ['y'] },
      map: [{ key: 'k', value: 1 }],
      nan: Number.NaN,
      nothing: null,
      empty: '',
      time: '01:02:03',
    });
  });

  it('that is empty, cut off or something else is refused', async () => {
    const whole = join(await tempDir(), 'data.parquet');
    await writeParquet(whole, 'select range as n from range(1000)');
    const bytes = await readFile(whole);
    const cases: readonly (readonly [Uint8Array, RegExp])[] = [
      [Buffer.alloc(0), /is empty \(0 bytes\)/],
      [bytes.subarray(0, bytes.length - 100), /is cut off/],
      [Buffer.from('a,b\n1,2\n3,4\n'), /no Parquet file/],
      [Buffer.concat([bytes.subarray(0, 4), bytes.subarray(-12)]), /cannot be read/],
    ];
    for (const [content, message] of cases) {
      const dataset = await openDataset(await tempFile('data.parquet', content));
      const reads = [
        () => dataset.count(),
        () => dataset.preview(),
        () => dataset.schema(),
        () => dataset.sql('select * from data'),
      ];
      for (const read of reads) {
        await expect(read()).rejects.toMatchObject({ code: 'DATASET_INVALID' });
        await expect(read()).rejects.toThrow(message);
      }
      await dataset.close();
    }
  });
});

describe('a dataset that Hugging Face saved', () => {
  it('is read as it was written, over its shards', async () => {
    const dataset = await openDataset(SAVED_DICT, { split: 'train' });
    const rows = await allOf(dataset.rows());
    expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: 12 }, (_, id) => id));
    const expected = {
      id: 1,
      text: 'text 1 é',
      label: 1,
      emb: [0.5, -1],
      meta: { lang: 'de', tags: ['x', '1'] },
      big: 9007199254740994n,
      when: '2026-01-31 12:00:00.123456',
      half: 0.5,
      raw: Uint8Array.from([0, 255]),
      day: '1969-12-31',
      long: 'l',
    };
    expect(rows[1]).toEqual(expected);
    const { rows: found } = await dataset.sql('select * from data where id = 1');
    expect({ ...found[0], raw: Uint8Array.from(found[0]!['raw'] as Uint8Array) }).toEqual(expected);
    expect([await dataset.count(), rows[0]!['text']]).toEqual([12, null]);
    await dataset.close();
  });

  it('has the split that is asked for, else train, and says which it is', async () => {
    expect((await openDataset(SAVED_DICT)).split).toEqual({
      name: 'train',
      available: ['train', 'test'],
      chosenBy: 'default train',
    });
    const test = await openDataset(SAVED_DICT, { split: 'test' });
    expect([test.split.chosenBy, await test.count()]).toEqual(['request', 3]);
    await expect(openDataset(SAVED_DICT, { split: 'validation' })).rejects.toThrow('it has train, test');
  });

  it('has the order of its shards from state.json', async () => {
    const dir = join(await tempDir(), 'saved');
    const shards = {
      'a.arrow': shardBytes([numbersTable(5, 5)]),
      'b.arrow': shardBytes([numbersTable(0, 5)]),
    };
    await writeSavedDataset(
      dir,
      { ...shards, 'c.arrow': Buffer.from('not listed') },
      { order: ['b.arrow', 'a.arrow'] },
    );
    const rows = await allOf((await openDataset(dir)).rows());
    expect(rows.map(({ n }) => n)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('names a shard that is not there', async () => {
    const dir = join(await tempDir(), 'saved');
    await writeSavedDataset(dir, {}, { order: ['data-00001-of-00002.arrow'] });
    await expect(openDataset(dir)).rejects.toMatchObject({ code: 'DATASET_MISSING' });
    await expect(openDataset(dir)).rejects.toThrow(/The shard .*data-00001-of-00002\.arrow/);
  });

  it('gives the rows of the whole batches of a shard that is cut off, then an error', async () => {
    const whole = shardBytes([numbersTable(0, 10), numbersTable(10, 10)]);
    // In the middle of the second batch, at its end, and with nothing but the end mark missing.
    const single = shardBytes([numbersTable(0, 10)]);
    for (const [cut, rows] of [
      [whole.length - 100, 10],
      [single.length - 8, 10],
      [whole.length - 8, 20],
    ] as const) {
      const dir = join(await tempDir(), 'saved');
      await writeSavedDataset(dir, { 'data.arrow': whole.subarray(0, cut) });
      const dataset = await openDataset(dir);
      const seen: unknown[] = [];
      const read = (async () => {
        for await (const { n } of dataset.rows()) seen.push(n);
      })();
      await expect(read).rejects.toThrow(`the shard data.arrow is cut off or damaged after ${rows} rows`);
      expect(seen).toHaveLength(rows);
      await expect(dataset.count()).rejects.toMatchObject({ code: 'DATASET_INVALID' });
    }
  });

  it('that is no Arrow data, or has no rows, says so', async () => {
    const dir = join(await tempDir(), 'saved');
    await writeSavedDataset(dir, { 'data.arrow': Buffer.from('nothing of the kind, but long enough') });
    await expect((await openDataset(dir)).count()).rejects.toMatchObject({ code: 'DATASET_INVALID' });
    await writeSavedDataset(dir, {}, { order: [] });
    expect(await (await openDataset(dir)).count()).toBe(0);
    await writeFile(join(dir, 'state.json'), '{');
    await expect(openDataset(dir)).rejects.toThrow('it is not JSON');
  });
});
