import { type Migration, Migrator } from 'kysely/migration';
import type { Database } from './database.ts';
import * as backbone from './migrations/0001-backbone.ts';

/** Forward only, in the order of their names. A released migration is never edited. */
const MIGRATIONS: Readonly<Record<string, Migration>> = { '0001-backbone': backbone };

/**
 * Brings the schema up to date. Safe to run from several servers at once: Kysely's migrator takes an
 * advisory lock and applies all or nothing.
 */
export async function migrate(database: Database): Promise<void> {
  const migrator = new Migrator({
    db: database.kysely,
    provider: { getMigrations: async () => ({ ...MIGRATIONS }) },
    migrationTableSchema: database.schema,
  });
  const { error } = await migrator.migrateToLatest();
  if (error !== undefined) throw error;
}
