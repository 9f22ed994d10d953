import { type Kysely, sql } from 'kysely';

/** How long attempts may wait for an agent. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table attempts add column claim_by timestamptz, add column claim_left_ms bigint`.execute(
    db,
  );
}
