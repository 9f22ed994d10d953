import { type Kysely, sql } from 'kysely';

/** On which machine an attempt runs that does not run on its agent's: `{address, dir}`. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table attempts add column target jsonb`.execute(db);
}
