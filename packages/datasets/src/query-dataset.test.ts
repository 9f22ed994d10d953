import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { plainValue } from './dataset-value.ts';
import { openDataset } from './open-dataset.ts';
import { tempDir, tempFile } from './testing/temp-dir.ts';

async function openNumbers() {
  return openDataset(await tempFile('data.csv', 'n,label\n1,a\n2,b\n3,a\n'));
}

describe('SQL on a dataset', () => {
  it('answers a SELECT on the table data', async () => {
    const dataset = await openNumbers();
    expect(await dataset.sql('select label, sum(n) as total from data group by 1 order by 1')).toEqual({
      columns: [
        { name: 'label', type: 'VARCHAR' },
        { name: 'total', type: 'HUGEINT' },
      ],
      rows: [
        { label: 'a', total: 4 },
        { label: 'b', total: 2 },
      ],
      isTruncated: false,
    });
    expect(await dataset.sql('from data', { maxRows: 2 })).toMatchObject({
      isTruncated: true,
      rows: { length: 2 },
    });
    expect((await dataset.sql('from data', { maxRows: 3 })).isTruncated).toBe(false);
    await dataset.close();
  });

  it('neither reads other files, nor writes, nor changes settings, nor loads anything', async () => {
    const dir = await tempDir();
    const path = join(dir, 'data.csv');
    const secret = join(dir, 'secret.csv');
    await writeFile(path, 'n\n1\n');
    await writeFile(secret, 'n\n42\n');
    const dataset = await openDataset(path);
    const hostile = [
      `select * from read_csv('${secret}')`,
      `select * from '${secret}'`,
      `select * from read_text('/etc/passwd')`,
      `select * from read_blob('/proc/self/environ')`,
      `select * from glob('${dir}/*')`,
      `select * from read_csv('${dir}/../${dir.split('/').at(-1)}/secret.csv')`,
      `select * from read_csv('https://example.com/a.csv')`,
      `select * from sniff_csv('${secret}')`,
      `select * from query('copy (select 1) to ''${dir}/out.csv''')`,
      'select * from duckdb_secrets()',
      `copy (select 1) to '${dir}/out.csv'`,
      `copy (select 1) to '${path}'`,
      `attach '${dir}/x.db'`,
      `attach ':memory:' as x`,
      `export database '${dir}/out'`,
      'install httpfs',
      'load httpfs',
      'load json',
      'set enable_external_access = true',
      `set allowed_paths = ['${secret}']`,
      'reset lock_configuration',
      'create table t (n int)',
      'create or replace view data as select 1',
      'drop view data',
      'insert into data values (1)',
      'pragma disable_verification',
      'call pragma_version()',
      'begin',
      'explain analyze select 1',
      'select 1; select 2',
      'select $1',
      '',
    ];
    for (const query of hostile) {
      await expect(dataset.sql(query), query).rejects.toMatchObject({ code: 'QUERY_INVALID' });
    }
    // DuckDB takes this, but then may not make the file.
    await dataset.sql(
      `select * from enable_logging(storage = 'file', storage_config = {'path': '${dir}/log'})`,
    );
    await dataset.close();
    expect((await readdir(dir)).sort()).toEqual(['data.csv', 'secret.csv']);
    expect(await readFile(path, 'utf8')).toBe('n\n1\n');
  });

  it('is ended when its time is over, or when nobody waits for it any more', async () => {
    const dataset = await openNumbers();
    const endless = 'select sum(a.range * b.range) from range(10000000) a, range(10000000) b';
    await expect(dataset.sql(endless, { timeoutMs: 300 })).rejects.toThrow('longer than 0.3 s');
    const stop = new AbortController();
    const query = dataset.sql(endless, { signal: stop.signal });
    setTimeout(() => stop.abort(new Error('nobody waits')), 100);
    await expect(query).rejects.toThrow('nobody waits');
    await dataset.close();
  });

  it('is ended when it needs more memory or disk than it may have', async () => {
    const dataset = await openNumbers();
    const query = "select string_agg(repeat('x', 1000000), '') from range(5000)";
    await expect(dataset.sql(query)).rejects.toMatchObject({ code: 'QUERY_LIMIT' });
    await dataset.close();
  });

  it('stops collecting where the result becomes too large', async () => {
    const dataset = await openNumbers();
    const result = await dataset.sql("select repeat('x', 1000000) as x from range(100)");
    expect(result.isTruncated).toBe(true);
    expect(result.rows.length).toBe(16);
    await dataset.close();
  });

  it('reads the file alone whose name looks like a pattern', async () => {
    const dir = join(await tempDir(), 'a[b]{c}');
    await mkdir(dir);
    await writeFile(join(dir, 'x*.csv'), 'n\n1\n');
    await writeFile(join(dir, 'xy.csv'), 'n\n2\n');
    const dataset = await openDataset(join(dir, 'x*.csv'));
    expect((await dataset.sql('from data')).rows).toEqual([{ n: 1 }]);
    await dataset.close();
  });

  it('cannot tell columns apart that differ in case only, and says so', async () => {
    const dataset = await openDataset(await tempFile('data.csv', 'a,A\n1,2\n'));
    await expect(dataset.sql('from data')).rejects.toThrow('differ in case only');
    expect(await dataset.preview()).toEqual([{ a: 1, A: 2 }]);
    await dataset.close();
  });
});

describe('the profile of a dataset', () => {
  it('says of each column what its values are like', async () => {
    const lines = Array.from(
      { length: 1001 },
      (_, n) => `${n},${n % 2 === 0},${n % 10 === 0 ? '' : 'x'.repeat(n % 10)}`,
    );
    const dataset = await openDataset(await tempFile('data.csv', `n,even,text\n${lines.join('\n')}\n`));
    const { rows, columns } = await dataset.profile();
    const [n, even, text] = columns;
    expect(rows).toBe(1001);
    expect(n).toMatchObject({ name: 'n', type: 'BIGINT', nulls: 0, min: 0, max: 1000, mean: 500 });
    expect(n!.quantiles!.p50).toBeCloseTo(500, -1);
    expect(Math.abs(n!.distinct - 1001)).toBeLessThan(150);
    expect(even).toMatchObject({ type: 'BOOLEAN', trues: 501, distinct: 2 });
    expect(text).toMatchObject({ nulls: 101, length: { min: 1, mean: 5, max: 9 }, empty: 0, min: 'x' });
    await dataset.close();
  });

  it('counts what is not finite apart, and keeps large whole numbers exact', async () => {
    const dataset = await openDataset(
      await tempFile('d.csv', 'f,big\n1,9007199254740993\nnan,9007199254740995\ninf,\n3,\n'),
    );
    const [f, big] = (await dataset.profile()).columns;
    expect(f).toMatchObject({ mean: 2, notFinite: 2, min: 1, max: 'Infinity' });
    expect(big).toMatchObject({ min: '9007199254740993', max: '9007199254740995', nulls: 2 });
    await dataset.close();
  });

  it('handles many columns, odd names and nested values', async () => {
    const row = Object.fromEntries(Array.from({ length: 250 }, (_, index) => [`c ${index} "x"`, index]));
    const path = await tempFile('a.jsonl', JSON.stringify({ ...row, list: [1, 2], o: { a: 1 }, any: {} }));
    const dataset = await openDataset(path);
    const { columns } = await dataset.profile();
    expect(columns).toHaveLength(253);
    expect(columns[249]).toMatchObject({ name: 'c 249 "x"', min: 249 });
    expect(columns[250]).toMatchObject({ name: 'list', length: { min: 2, mean: 2, max: 2 } });
    await dataset.close();
  });
});

it('values that JSON has no form for become text', () => {
  const values = [9007199254740993n, Number.NaN, Uint8Array.from([1]), [2n], { a: Number.POSITIVE_INFINITY }];
  expect(values.map(plainValue)).toEqual(['9007199254740993', 'NaN', 'AQ==', ['2'], { a: 'Infinity' }]);
});
