import { type Kysely, sql } from 'kysely';

/** How an attempt ended that had been given up by then: evidence, not a status. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table attempts add column late_report jsonb`.execute(db);
}
