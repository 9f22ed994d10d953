import { type Kysely, sql } from 'kysely';

/** Attempts that the server ends as failed, for example because of a finding, and why. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table attempts add column stop_error jsonb`.execute(db);
}
