import { type Kysely, sql } from 'kysely';

/** What the older training API needs: whose a run is, workers that pull, resumed jobs, pinned checkpoints. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `alter table tokens add column owner text`,
  `update tokens set owner = name where name not like 'built-in %'`,
  `alter table trees add column created_by text`,

  `alter table agents add column owner text, add column registered_at timestamptz`,

  // The run that goes on where another one ended, and from which checkpoint.
  `create table resumed_jobs (
    root_id text primary key references trees on delete cascade,
    from_run text not null,
    checkpoint text,
    adjustments jsonb not null default '{}'
  )`,
  `create index resumed_jobs_by_origin on resumed_jobs (from_run)`,

  // Pipelines of the older API are made first and started later.
  `create table pipeline_drafts (
    id text primary key,
    name text not null,
    document jsonb not null,
    created_by text,
    root_id text references trees on delete cascade,
    created_at timestamptz not null default now()
  )`,
  `create index pipeline_drafts_newest on pipeline_drafts (created_at desc, id desc)`,
  `create index pipeline_drafts_by_root on pipeline_drafts (root_id) where root_id is not null`,

  `alter table model_checkpoints
    add column epoch double precision,
    add column sha256 text,
    add column pinned_at timestamptz,
    add column removal_requested_at timestamptz,
    add column doomed_at timestamptz`,
];
