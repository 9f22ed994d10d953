import { type Kysely, sql } from 'kysely';

/** When an attempt last went on after a pause: from then on it is expected to write metrics again. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table attempts add column resumed_at timestamptz`.execute(db);
}
