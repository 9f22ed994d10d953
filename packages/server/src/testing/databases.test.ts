import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { testDatabase } from './databases.ts';
import { describeDatabases } from './describe-databases.ts';

describeDatabases('testDatabase', (engine) => {
  describe.each(['schema', 'database'] as const)('with scope %s', (scope) => {
    it('gives an empty place that the connection uses by default, and removes it', async () => {
      const place = await testDatabase({ engine, scope });
      const client = new pg.Client(place.config);
      await client.connect();
      await client.query('create table thing (id int)');
      const found = await client.query('select schemaname from pg_tables where tablename = $1', ['thing']);
      expect(found.rows).toEqual([{ schemaname: place.schema }]);
      await client.end();
      await place.drop();

      const shared = new pg.Client({ connectionString: engine.url });
      await shared.connect();
      const left = await shared.query(
        'select nspname as name from pg_namespace where nspname = $1 union all select datname from pg_database where datname = $1',
        [place.schema],
      );
      expect(left.rows).toEqual([]);
      await shared.end();
    });
  });

  it('runs the major version that its name tells', async () => {
    const client = new pg.Client({ connectionString: engine.url });
    await client.connect();
    const { rows } = await client.query<{ server_version_num: string }>('show server_version_num');
    expect(engine.name).toContain(` ${Math.floor(Number(rows[0]?.server_version_num) / 10_000)} `);
    await client.end();
  });
});
