import { type Kysely, sql } from 'kysely';

/** Slots that an agent keeps out of service, as it tells with each heartbeat. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table agents add column out_of_service jsonb not null default '[]'`.execute(db);
}
