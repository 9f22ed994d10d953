import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openDataset } from '../open-dataset.ts';
import { allOf } from '../testing/all-of.ts';
import { tempFile } from '../testing/temp-dir.ts';
import { BLOCK_BYTES } from './read-blocks.ts';

async function rowsOf(text: string | Uint8Array, csv = {}) {
  const dataset = await openDataset(await tempFile('data.csv', text), { csv });
  return allOf(dataset.rows());
}

async function openText(text: string) {
  return openDataset(await tempFile('data.csv', text), { csv: { types: 'text' } });
}

describe('a CSV file', () => {
  it('gives rows with types that its first rows show', async () => {
    const rows = await rowsOf('id,score,ok,name,zip\n1,0.5,true,Ada,01234\n-2,1e3,FALSE,,99999\n');
    expect(rows).toEqual([
      { id: 1, score: 0.5, ok: true, name: 'Ada', zip: '01234' },
      { id: -2, score: 1000, ok: false, name: null, zip: '99999' },
    ]);
  });

  it('has null for an empty field and the empty text for one in quotes, in rows and in SQL', async () => {
    const dataset = await openDataset(await tempFile('data.csv', 'a,b\n1,\n2,""\n'));
    const expected = [
      { a: 1, b: null },
      { a: 2, b: '' },
    ];
    expect(await allOf(dataset.rows())).toEqual(expected);
    expect((await dataset.sql('select * from data')).rows).toEqual(expected);
    await dataset.close();
  });

  it('may begin with a byte order mark, end lines with CRLF, and have line ends and quotes in quotes', async () => {
    expect(await rowsOf('\ufeffa,b\r\n1,"x\r\ny"\r\n2,"say ""hi"""\r\n')).toEqual([
      { a: 1, b: 'x\r\ny' },
      { a: 2, b: 'say "hi"' },
    ]);
  });

  it.each([
    ['too few fields', 'a,b\n1,2\n3\n4,5\n', /data\.csv: line 3 has 1 field; the first line names 2/],
    ['too many fields', 'a,b\n1,2\n3,4,5\n', /line 3 has 3 fields; the first line names 2/],
    ['too few behind a field of two lines', 'a,b\n"x\ny",2\n3\n', /line 4 has 1 field/],
    [
      'a quote that is never closed',
      'a,b\n1,"x\n2,y\n',
      /line 2: a field that begins with a quote is never closed/,
    ],
    ['text behind a closing quote', 'a,b\n1,"x"y\n', /line 2: a field goes on behind its closing quote/],
    ['a quote inside of a plain field', 'a,b\n1,x"y"\n', /line 2: there is a quote inside/],
    ['a carriage return by itself', 'a,b\n1,x\ry\n', /line 2: there is a carriage return/],
    ['a column that is there twice', 'a,a\n1,2\n', /line 1: the column "a" is there twice/],
    ['bytes that are no UTF-8', Buffer.from([97, 10, 49, 10, 0xff, 10]), /line 3 is not UTF-8/],
  ])('with %s is refused with its line', async (_, text, message) => {
    await expect(rowsOf(text)).rejects.toThrow(message);
    await expect(rowsOf(text)).rejects.toMatchObject({ code: 'DATASET_INVALID' });
  });

  it('names the line of a ragged record in SQL, too', async () => {
    const dataset = await openDataset(await tempFile('data.csv', 'a,b\n1,2\n3\n'));
    await expect(dataset.sql('select sum(a) from data')).rejects.toThrow(/line 3 has 1 field/);
    await expect(dataset.count()).rejects.toThrow(/line 3 has 1 field/);
    await dataset.close();
  });

  it('names the line of a value that has another type than those before', async () => {
    const lines = Array.from({ length: 20_000 }, (_, index) => String(index));
    const text = `n\n${lines.join('\n')}\nmany\n`;
    await expect(rowsOf(text)).rejects.toThrow(
      /line 20002: column "n" has a whole number .* but "many" here/,
    );
    expect((await rowsOf(text, { types: 'text' })).at(-1)).toEqual({ n: 'many' });
  });

  it('keeps whole numbers of 64 bits exactly', async () => {
    const rows = await rowsOf('n\n9007199254740993\n-9223372036854775808\n5\n');
    expect(rows.map(({ n }) => n)).toEqual([9007199254740993n, -9223372036854775808n, 5]);
    expect(await rowsOf('n\n18446744073709551615\n')).toEqual([{ n: '18446744073709551615' }]);
  });

  it('that is empty, or has only names, has no rows', async () => {
    for (const [text, columns] of [
      ['', []],
      ['\ufeff', []],
      ['a,b', ['a', 'b']],
      ['a,b\n', ['a', 'b']],
    ] as const) {
      const dataset = await openDataset(await tempFile('data.csv', text));
      expect((await dataset.schema()).columns.map(({ name }) => name)).toEqual(columns);
      expect(await dataset.count()).toBe(0);
      expect(await allOf(dataset.rows())).toEqual([]);
      expect((await dataset.profile()).rows).toBe(0);
      await dataset.close();
    }
  });

  it('may be separated by other characters than commas', async () => {
    expect(await rowsOf('a;b\n1;"x;y"\n')).toEqual([{ a: 1, b: 'x;y' }]);
    expect(await rowsOf('a\tb\n1\tx\n')).toEqual([{ a: 1, b: 'x' }]);
  });

  it('names columns without a name by their place', async () => {
    expect(await rowsOf(',a\n0,x\n')).toEqual([{ column0: 0, a: 'x' }]);
  });

  it('may have columns with any name', async () => {
    const [row] = await rowsOf('__proto__,constructor\n1,2\n');
    expect(Object.entries(row!)).toEqual([
      ['__proto__', 1],
      ['constructor', 2],
    ]);
  });

  it('reads a record over several blocks', async () => {
    const long = 'line\n'.repeat(BLOCK_BYTES / 4);
    expect(await rowsOf(`a,b\n1,"${long}"\n2,x\n`)).toEqual([
      { a: 1, b: long },
      { a: 2, b: 'x' },
    ]);
    await expect(rowsOf(`a,b\n1,"${long}"\n2\n`)).rejects.toThrow(
      `line ${2 + BLOCK_BYTES / 4 + 1} has 1 field`,
    );
  });
});

const field = fc.string({
  unit: fc.constantFrom('a', ' ', ',', '"', '\n', '\r\n', 'ü', ';', '0', '1', '.', '-'),
});
const quoted = (value: string): string =>
  /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;

describe('any CSV file', () => {
  it('is read as csv-parse reads it', async () => {
    const table = fc.array(fc.array(field, { minLength: 2, maxLength: 2 }), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(table, fc.constantFrom('\n', '\r\n'), async (records, end) => {
        const text = `x,y${end}${records.map((record) => record.map(quoted).join(',')).join(end)}${end}`;
        const expected = parse(text, { columns: true, skip_empty_lines: true, bom: true }) as Record<
          string,
          string
        >[];
        const rows = await allOf((await openText(text)).rows());
        expect(rows.map(({ x, y }) => [x ?? '', y ?? ''])).toEqual(expected.map(({ x, y }) => [x, y]));
      }),
      { numRuns: 60 },
    );
  });

  it('is the same in rows and in SQL', async () => {
    const value = fc.oneof(
      fc.constantFrom(
        '',
        '""',
        '0',
        '-0',
        '1',
        '007',
        '1.5',
        '.5',
        '1.',
        '+5',
        '1e3',
        'NaN',
        '-inf',
        'true',
        'FALSE',
      ),
      fc.constantFrom(
        '9007199254740993',
        '9223372036854775807',
        '9223372036854775808',
        '12345678901234567890.5',
      ),
      fc.constantFrom(
        'x',
        ' 1',
        '2024-01-01',
        '"a,b"',
        '"a\nb"',
        'nan',
        'Infinity',
        't',
        '1_000',
        '0x10',
        'null',
      ),
    );
    const table = fc.array(fc.tuple(value, value), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(table, async (records) => {
        const text = `x,y,n\n${records.map(([x, y], index) => `${x},${y},${index}`).join('\n')}\n`;
        const dataset = await openDataset(await tempFile('data.csv', text));
        const { rows } = await dataset.sql('select * from data order by n');
        await dataset.close();
        expect(rows).toEqual(await allOf(dataset.rows()));
      }),
      { numRuns: 40 },
    );
  });
});
