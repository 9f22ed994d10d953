import { type Kysely, sql } from 'kysely';

/** Labels that an agent must have to take an attempt. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table attempts add column labels jsonb`.execute(db);
}
