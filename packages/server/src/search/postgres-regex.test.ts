import { linearRegex } from '@trainyard/protocol';
import fc from 'fast-check';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeDatabases, type TestDatabase, testDatabase } from '../testing/index.ts';
import { postgresRegex } from './postgres-regex.ts';

describeDatabases('a regular expression as PostgreSQL reads it', (engine) => {
  let database: TestDatabase;
  let client: pg.Client;
  beforeAll(async () => {
    database = await testDatabase({ engine });
    client = new pg.Client(database.config);
    await client.connect();
  });
  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  async function found(source: string, lines: readonly string[]): Promise<boolean[]> {
    const { pattern, ignoresCase } = postgresRegex(source);
    const { rows } = await client.query<{ found: boolean }>(
      `select (case when $3 then lower(line) else line end) ~ $1 as found
       from unnest($2::text[]) with ordinality as l(line, n) order by n`,
      [pattern, lines, ignoresCase],
    );
    return rows.map((row) => row.found);
  }

  it('finds what ours finds', async () => {
    const atom = fc.constantFrom(
      ...[
        'a',
        'b',
        '.',
        '[ab]',
        '[^a]',
        '[]a]',
        '[^]]',
        '[a-]',
        '[b-a]',
        '[^b-a]',
        '[\\d-z]',
        '[\\W]',
        '[^\\S]',
      ],
      ...['\\d', '\\D', '\\w', '\\W', '\\s', '\\S', '\\t', '\\.', '\\\\', '(?:ab)', '(a|b)', '(?:a|)', '()'],
      ...[
        '[A-Z]',
        'A',
        '{',
        '}',
        ']',
        '-',
        '"',
        "'",
        '#',
        '{x}',
        '[.a.]',
        '[:d]',
        'é',
        '[é-ü]',
        '[[=a=]]',
        '%',
      ],
    );
    const piece = fc
      .tuple(atom, fc.constantFrom('', '*', '+', '?', '*?', '+?', '??', '{2}', '{1,3}', '{0,}', '{0,2}?'))
      .map(([one, times]) => one + times);
    const pattern = fc
      .tuple(
        fc.constantFrom('', '^', '(?i)', '(?i)^'),
        fc.array(fc.array(piece, { maxLength: 4 }), { minLength: 1, maxLength: 3 }),
        fc.constantFrom('', '$'),
      )
      .map(([begin, parts, end]) => begin + parts.map((part) => part.join('')).join('|') + end)
      .filter(canBeRead);
    const text = fc
      .array(fc.constantFrom(...'abcAZ1 _.\\-]{}[:=#é%\t\n'), { maxLength: 10 })
      .map((it) => it.join(''));
    await fc.assert(
      fc.asyncProperty(pattern, fc.array(text, { minLength: 5, maxLength: 20 }), async (source, lines) => {
        const regex = linearRegex(source);
        expect(await found(source, lines)).toEqual(lines.map((line) => regex.test(line)));
      }),
      { numRuns: 400 },
    );
  });

  it('does not hang on patterns that would', async () => {
    const before = performance.now();
    expect(await found('^(a+)+$', [`${'a'.repeat(5000)}b`])).toEqual([false]);
    expect(await found('(?:a?){50}a{50}', ['a'.repeat(49), 'a'.repeat(50)])).toEqual([false, true]);
    expect(await found('^(?:(?:a|b)*(?:a|c)*)*d', ['ab'.repeat(3000)])).toEqual([false]);
    expect(performance.now() - before).toBeLessThan(10_000);
  });
});

function canBeRead(source: string): boolean {
  try {
    linearRegex(source);
    return true;
  } catch {
    return false;
  }
}
