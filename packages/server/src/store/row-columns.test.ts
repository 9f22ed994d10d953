import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeDatabases, type TestDatabase, testDatabase } from '../testing/index.ts';
import { RowColumns } from './row-columns.ts';

interface Row {
  readonly text?: string | null;
  readonly small?: number | null;
  readonly large?: number | null;
  readonly at?: string | number | null;
  readonly json?: unknown;
  readonly tiny?: number;
  readonly real?: number;
}

const COLUMNS = new RowColumns<Row>({
  word: ['text', (row) => row.text],
  small: ['int4', (row) => row.small],
  large: ['int8', (row) => row.large],
  instant: ['timestamptz', (row) => row.at],
  packed: ['jsonb', (row) => row.json],
  plain: ['json', (row) => row.json],
  tiny: ['int2', (row) => row.tiny],
  real: ['float8', (row) => row.real],
});

describeDatabases('rows as columns', (engine) => {
  let test: TestDatabase;
  let client: pg.Client;
  beforeEach(async () => {
    test = await testDatabase({ engine });
    client = new pg.Client(test.config);
    await client.connect();
  });
  afterEach(async () => {
    await client.end();
    await test.drop();
  });

  const roundTrip = async (rows: readonly Row[]) => {
    const sql = `select word, small, large::text, instant, packed, plain, tiny, real from ${COLUMNS.from(2)} where $1::int = 1`;
    return (await client.query(sql, [1, ...COLUMNS.values(rows)])).rows;
  };

  it('come back as they were, in their order', async () => {
    const now = '2026-11-26T01:02:03.456Z';
    const rows: Row[] = [
      { text: 'ä "quoted" \\ {1,2} 🚂', small: -7, large: 2 ** 52 + 1, at: now, json: { a: [1, 'ü', null] } },
      {
        ...{ text: '', small: 0, large: -1, at: Date.parse('1969-12-31T23:59:59.999Z'), json: 'text' },
        ...{ tiny: -3, real: Number.NaN },
      },
      { tiny: 2 ** 15 - 1, real: -0 },
      { text: null, small: null, large: null, at: null, json: null },
      {},
    ];
    const nothing = {
      ...{ word: null, small: null, large: null, instant: null, packed: null, plain: null },
      ...{ tiny: null, real: null },
    };
    const { text: word, json } = rows[0]!;
    expect(await roundTrip(rows)).toEqual([
      {
        ...nothing,
        ...{ word, small: -7, large: String(2 ** 52 + 1), instant: new Date(now), packed: json, plain: json },
      },
      {
        ...{ word: '', small: 0, large: '-1', instant: new Date(-1), packed: 'text', plain: 'text' },
        ...{ tiny: -3, real: Number.NaN },
      },
      { ...nothing, tiny: 2 ** 15 - 1, real: -0 },
      nothing,
      nothing,
    ]);
    expect(await roundTrip([])).toEqual([]);
  });

  it('have U+FFFD in place of what the database cannot hold', async () => {
    const [row] = await roundTrip([{ text: 'a\0b\ud800', json: { 'k\0': '\udc00' } }]);
    expect(row).toMatchObject({ word: 'a\ufffdb\ufffd', packed: { 'k\ufffd': '\ufffd' } });
  });

  it('may be many and long', async () => {
    const rows = Array.from({ length: 3000 }, (_, index) => ({
      text: 'ö'.repeat(index % 400),
      small: index,
    }));
    const found = await roundTrip(rows);
    expect(found.map(({ word, small }) => ({ text: word, small }))).toEqual(rows);
  });
});
