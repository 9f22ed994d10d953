import { type Kysely, sql } from 'kysely';

/** Runs that keep what an earlier run has done, and runs of some stages only. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table trees add column rerun_of text, add column rerun jsonb, add column only_stages text[]`.execute(
    db,
  );
  await sql`create index trees_by_rerun on trees (rerun_of) where rerun_of is not null`.execute(db);
  await sql`alter table runs add column kept_from text`.execute(db);
}
