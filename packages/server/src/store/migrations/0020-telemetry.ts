import { type Kysely, sql } from 'kysely';

/** The newest look of each agent at its machine. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table agents add column telemetry jsonb`.execute(db);
}
