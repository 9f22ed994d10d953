import { type Kysely, sql } from 'kysely';

/** Secrets for jobs, sealed: see auth/secret-box.ts. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table secrets (
      name text primary key,
      sealed bytea not null,
      key_id text not null,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    )`.execute(db);
}
