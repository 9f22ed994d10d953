import { type Kysely, sql } from 'kysely';

/** Pauses of attempts, and what the next attempt of a run has to know of those before it. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    alter table attempts
      add column pause_mode text,
      add column released_from jsonb,
      add column failure jsonb,
      add column excluded_agents text[],
      add column preferred_agent text`.execute(db);
  await sql`alter table agents add column draining_since timestamptz`.execute(db);
}
