import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { preprocessConfig } from '@trainyard/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitRows, takeSteps } from './row-steps.ts';
import { openTable, readTable, type Table, type TableFormat, tableLines } from './table-text.ts';

const table: Table = await read(
  `id,text,score,lang
1,short,0.9,de
2,"a, ""b""",0.1,en
3,,0.5,de
4,short,0.9,de
5,much too long,10,fr
`,
  'csv',
);
const rowsAfter = (config: object) => takeSteps(table, preprocessConfig.parse(config)).table.rows;
const idsAfter = (config: object) => rowsAfter(config).map((row) => row['id']);

describe('a step', () => {
  it.each<[string, object, string[]]>([
    ['dropNulls: true', { dropNulls: true }, ['1', '2', '4', '5']],
    ['dropNulls of a column', { dropNulls: ['score'] }, ['1', '2', '3', '4', '5']],
    ['filter with a number', { filter: ['score >= 0.5'] }, ['1', '3', '4', '5']],
    ['filter with two comparisons', { filter: ['score < 5', 'lang == "de"'] }, ['1', '3', '4']],
    ['filter for null', { filter: ['text == null'] }, ['3']],
    ['filter for a text in single quotes', { filter: ["lang != 'de'"] }, ['2', '5']],
    ['min and max', { min: { score: 0.5 }, max: { score: 0.9 } }, ['1', '3', '4']],
    ['maxLength', { maxLength: { text: 5 } }, ['1', '3', '4']],
    ['dropDuplicates of columns', { dropDuplicates: ['text', 'score'] }, ['1', '2', '3', '5']],
    ['dropDuplicates of all', { select: ['lang'], dropDuplicates: true }, []],
  ])('%s', (_, config, ids) => {
    expect(idsAfter(config).filter((id) => id !== undefined)).toEqual(ids);
  });

  it('selects, drops and renames columns, in their order', () => {
    const { table: result, counts } = takeSteps(
      table,
      preprocessConfig.parse({ select: ['score', 'id', 'text'], drop: ['text'], rename: { id: 'key' } }),
    );
    expect(result.columns).toEqual(['score', 'key']);
    expect(result.rows[1]).toEqual({ score: '0.1', key: '2' });
    expect(counts.map(({ step }) => step)).toEqual(['select', 'drop', 'rename']);
  });

  it('cuts texts by characters', () => {
    expect(rowsAfter({ truncate: { text: 4 } }).map((row) => row['text'])).toEqual([
      ...['shor', 'a, "', '', 'shor', 'much'],
    ]);
  });

  it('refuses columns that are not there, and comparisons that are none', () => {
    expect(() => rowsAfter({ select: ['nothing'] })).toThrow(
      'there is no column "nothing"; there are id, text',
    );
    expect(() => rowsAfter({ filter: ['score is high'] })).toThrow('"score is high" is not a comparison');
    expect(() => rowsAfter({ rename: { id: 'text' } })).toThrow('two columns the name "text"');
  });

  it('draws the same sample and order for the same seed, and another for another', () => {
    const many: Table = { columns: ['n'], rows: Array.from({ length: 100 }, (_, n) => ({ n })) };
    const drawn = (config: object) =>
      takeSteps(many, preprocessConfig.parse(config)).table.rows.map(({ n }) => n as number);
    const sample = drawn({ sample: { rows: 10 }, seed: 1 });
    expect(sample).toHaveLength(10);
    expect(sample).toEqual([...sample].sort((a, b) => a - b));
    expect(drawn({ sample: { fraction: 0.25 } })).toHaveLength(25);
    expect(drawn({ shuffle: true, seed: 1 })).toEqual(drawn({ shuffle: true, seed: 1 }));
    expect(drawn({ shuffle: true, seed: 1 })).not.toEqual(drawn({ shuffle: true, seed: 2 }));
    expect(drawn({ shuffle: true }).sort((a, b) => a - b)).toEqual(many.rows.map(({ n }) => n));
  });
});

it('a split gives each row to at most one part, in parts of the right size', () => {
  fc.assert(
    fc.property(
      fc.nat(500),
      fc.array(fc.integer({ min: 1, max: 10 }), { minLength: 1, maxLength: 6 }),
      fc.nat(1000),
      (size, weights, seed) => {
        const rows = Array.from({ length: size }, (_, n) => ({ n }));
        const sum = weights.reduce((total, weight) => total + weight, 0);
        const parts = Object.fromEntries(weights.map((weight, index) => [`p${index}`, weight / sum]));
        const split = splitRows({ columns: ['n'], rows }, parts, seed);
        const all = [...split.values()].flatMap((part) => part.rows.map(({ n }) => n as number));
        expect(all.sort((a, b) => a - b)).toEqual(rows.map(({ n }) => n));
        for (const [name, part] of split) {
          expect(Math.abs(part.rows.length - parts[name]! * size)).toBeLessThan(1);
        }
      },
    ),
  );
});

describe('a table', () => {
  const field = fc.string({ unit: fc.constantFrom('a', 'ä', '"', ',', '\n', '\r', ' ', '1'), maxLength: 6 });

  it.each<TableFormat>(['csv', 'json', 'jsonl'])('is read as it was written: %s', (format) => {
    return fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ one: field, 'two, three': field }), { minLength: 1 }),
        async (rows) => {
          const text = [...tableLines({ columns: ['one', 'two, three'], rows }, format)].join('');
          expect((await read(text, format)).rows).toEqual(rows);
        },
      ),
    );
  });

  it('that is none is refused with its line', async () => {
    await expect(read('a,b\n1,2\n3\n', 'csv')).rejects.toThrow('line 3 has 1 field; the first line names 2');
    await expect(read('a\n"x\ny', 'csv')).rejects.toThrow('never closed');
    await expect(read('a,a\n1,2\n', 'csv')).rejects.toThrow('the column "a" is there twice');
    await expect(read('{"a":1}\n{', 'jsonl')).rejects.toThrow('line 2 is not JSON');
    await expect(read('{"a":1}', 'json')).rejects.toThrow('a list of objects');
    await expect(read('{', 'jsonl')).rejects.toMatchObject({ code: 'invalid_data' });
  });

  it('keeps whole numbers with all their digits', async () => {
    const text = '{"n":9007199254740993,"list":[18446744073709551615]}\n';
    expect([...tableLines(await read(text, 'jsonl'), 'jsonl')].join('')).toBe(text);
  });
});

async function read(text: string, format: TableFormat): Promise<Table> {
  const dir = await mkdtemp(join(tmpdir(), 'trainyard-table-'));
  try {
    const path = join(dir, 'table');
    await writeFile(path, text);
    return await readTable(await openTable(path, format));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
