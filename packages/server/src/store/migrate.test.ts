import { sql } from 'kysely';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeDatabases, type TestDatabase, testDatabase } from '../testing/index.ts';
import { type Database, openDatabase } from './database.ts';
import { migrate } from './migrate.ts';

describeDatabases('migrations', (engine) => {
  let place: TestDatabase;
  let database: Database;
  beforeEach(async () => {
    place = await testDatabase({ engine });
    database = await openDatabase({
      connection: place.url,
      schema: place.schema,
      maxConnections: 2,
      onConnectionError: () => {},
    });
  });
  afterEach(async () => {
    await database.close();
    await place.drop();
  });

  it('refuse a database that a newer version has changed, and change nothing', async () => {
    await migrate(database);
    await migrate(database);
    await sql`insert into kysely_migration (name, timestamp) values ('9999-later', '2099')`.execute(
      database.kysely,
    );
    await expect(migrate(database)).rejects.toMatchObject({
      code: 'DATABASE_NEWER',
      message: expect.stringMatching(/9999-later.*Start that version, or give another --data-dir/),
    });
    await sql`delete from kysely_migration where name = '9999-later'`.execute(database.kysely);
    await migrate(database);
  });

  it('make up for one that came in between after later ones were run', async () => {
    await migrate(database);
    const { kysely } = database;
    await sql`alter table attempts drop column resumed_at`.execute(kysely);
    await sql`delete from kysely_migration where name = '0039-resumed-at'`.execute(kysely);
    await migrate(database);
    await sql`select resumed_at from attempts`.execute(kysely);
  });
});
