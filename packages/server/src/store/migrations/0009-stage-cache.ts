import { type Kysely, sql } from 'kysely';

/** Results of stages by the key of what they were asked to do, and what keys of a run are made from. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table stage_cache (
      key text primary key,
      run_id text not null references runs on delete cascade,
      root_id text not null,
      pipeline text not null,
      stage text not null,
      created_at timestamptz not null default now()
    )`.execute(db);
  await sql`create index stage_cache_by_run on stage_cache (run_id)`.execute(db);
  await sql`create index stage_cache_by_age on stage_cache (created_at desc)`.execute(db);
  await sql`alter table runs add column cached_from text, add column cache_key text`.execute(db);
  await sql`alter table trees add column cache_basis jsonb, add column no_cache boolean not null default false`.execute(
    db,
  );
}
