import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openDataset } from '../open-dataset.ts';
import { allOf } from '../testing/all-of.ts';
import { tempFile } from '../testing/temp-dir.ts';
import { BLOCK_BYTES } from './read-blocks.ts';

async function rowsOf(name: string, text: string) {
  return allOf((await openDataset(await tempFile(name, text))).rows());
}

describe('a file with one JSON object a line', () => {
  it('gives its objects as they are, blank lines left out', async () => {
    expect(await rowsOf('a.jsonl', '\ufeff{"a":1,"b":{"c":[1,null,"x"]}}\r\n\n{"a":2.5}')).toEqual([
      { a: 1, b: { c: [1, null, 'x'] } },
      { a: 2.5 },
    ]);
  });

  it.each([
    ['no JSON', '{"a":1}\n\n{bad\n{"a":2}\n', /a\.jsonl: line 3 is not JSON/],
    ['half a line', '{"a":1}\n{"a":', /line 2 is not JSON/],
    ['no object', '{"a":1}\n[1]\n', /line 2 is not a JSON object/],
  ])('names the line that is %s, in rows and in SQL', async (_, text, message) => {
    await expect(rowsOf('a.jsonl', text)).rejects.toThrow(message);
    const dataset = await openDataset(await tempFile('a.jsonl', text));
    await expect(dataset.sql('select * from data')).rejects.toThrow(message);
    await dataset.close();
  });

  it('keeps whole numbers of any length exactly', async () => {
    const text = '{"n":9007199254740993,"s":"9007199254740993","f":0.12345678901234567890}\n';
    expect(await rowsOf('a.jsonl', text)).toEqual([
      { n: 9007199254740993n, s: '9007199254740993', f: 0.12345678901234568 },
    ]);
    const dataset = await openDataset(await tempFile('a.jsonl', text));
    expect((await dataset.sql('select n + 1 as n from data')).rows).toEqual([{ n: 9007199254740994n }]);
    await dataset.close();
  });

  it('that is empty has no rows', async () => {
    const dataset = await openDataset(await tempFile('a.jsonl', ''));
    expect([await dataset.count(), (await dataset.schema()).columns]).toEqual([0, []]);
    await expect(dataset.sql('select 1')).rejects.toThrow('no columns');
  });

  it('is the same in SQL, nested, mixed and with keys that are missing', async () => {
    const lines = [
      { n: 0, d: '2024-01-01', s: { x: 1, y: ['a'] }, m: 1, l: [{ a: 1 }] },
      { n: 1, s: { x: null, z: true }, m: 'text', l: [] },
      { n: 2, d: null, s: null, m: { deep: [1] }, l: null },
    ];
    const dataset = await openDataset(
      await tempFile('a.jsonl', lines.map((line) => JSON.stringify(line)).join('\n')),
    );
    expect((await dataset.schema()).columns).toEqual([
      { name: 'n', type: 'BIGINT' },
      { name: 'd', type: 'VARCHAR' },
      { name: 's', type: 'STRUCT("x" BIGINT, "y" VARCHAR[], "z" BOOLEAN)' },
      { name: 'm', type: 'JSON' },
      { name: 'l', type: 'STRUCT("a" BIGINT)[]' },
    ]);
    const { rows } = await dataset.sql('select * from data order by n');
    expect(rows).toEqual([
      { n: 0, d: '2024-01-01', s: { x: 1, y: ['a'], z: null }, m: 1, l: [{ a: 1 }] },
      { n: 1, d: null, s: { x: null, y: null, z: true }, m: 'text', l: [] },
      { n: 2, d: null, s: null, m: { deep: [1] }, l: null },
    ]);
    await dataset.close();
  });
});

describe('a JSON file', () => {
  it('holds a list of objects, or objects one after the other', async () => {
    const expected = [{ a: 1, t: '}]"\\' }, { a: 2 }];
    expect(await rowsOf('a.json', '\ufeff [\n{"a":1,"t":"}]\\"\\\\"} , {"a":2}]\n')).toEqual(expected);
    expect(await rowsOf('a.json', '{"a":1,"t":"}]\\"\\\\"}\n{\n  "a": 2\n}\n')).toEqual(expected);
    expect(await rowsOf('a.json', '[]')).toEqual([]);
    expect(await rowsOf('a.json', '')).toEqual([]);
  });

  it.each([
    ['[{"a":1},', /ends before its list does, behind row 1/],
    ['[{"a":1},{"a"', /ends inside of row 2/],
    ['[{"a":1},{a:2}]', /row 2 is not JSON/],
    ['[{"a":1},3]', /row 2 is not an object/],
    ['[{"a":1} {"a":2}]', /no comma behind row 1/],
    ['[{"a":1},]', /row 2 is not an object/],
    ['[{"a":1}]x', /behind the end of the list/],
    ['3', /a list of objects/],
  ])('is refused when it is %s', async (text, message) => {
    await expect(rowsOf('a.json', text)).rejects.toThrow(message);
  });

  it('is split right wherever blocks end', async () => {
    const row = fc.record({
      text: fc.string({ unit: fc.constantFrom('"', '\\', '{', '}', '[', ']', 'é', 'a', '\n') }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 5 }), fc.nat(30), async (rows, shift) => {
        const filler = { filler: 'x'.repeat(BLOCK_BYTES - 20 - shift) };
        expect(await rowsOf('a.json', JSON.stringify([filler, ...rows]))).toEqual([filler, ...rows]);
      }),
      { numRuns: 30 },
    );
  });

  it('answers SQL in both shapes', async () => {
    for (const text of ['[{"a":1},{"a":2}]', '{"a":1}\n{"a":\n2}']) {
      const dataset = await openDataset(await tempFile('a.json', text));
      expect((await dataset.sql('select sum(a) as s from data')).rows).toEqual([{ s: 3 }]);
      await dataset.close();
    }
  });
});
