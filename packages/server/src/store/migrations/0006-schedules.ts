import { type Kysely, sql } from 'kysely';

/** Schedules and backfills, and the runs that they plan. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table schedules (
    id text primary key,
    name text not null unique,
    pipeline text not null,
    version int,
    params jsonb not null,
    cron text not null,
    timezone text not null,
    catch_up text not null,
    overlap text not null,
    jitter_ms int not null,
    start_at timestamptz,
    end_at timestamptz,
    next_at timestamptz,
    due_at timestamptz,
    paused_at timestamptz,
    pause_reason text,
    created_at timestamptz not null
  )`,
  `create index schedules_due on schedules (due_at) where paused_at is null`,

  `create table backfills (
    id text primary key,
    pipeline text not null,
    version int not null,
    params jsonb not null,
    cron text,
    every_ms bigint,
    timezone text not null,
    from_at timestamptz not null,
    to_at timestamptz not null,
    max_parallel int not null,
    newest_first boolean not null,
    created_at timestamptz not null,
    cancelled_at timestamptz
  )`,

  // The owner is a schedule or a backfill.
  `create table launches (
    id bigint generated always as identity primary key,
    owner_id text not null,
    pipeline text not null,
    at timestamptz not null,
    state text not null,
    reason text,
    is_manual boolean not null default false,
    claimed_until timestamptz,
    run_id text,
    run_status text,
    cancel_requested_at timestamptz,
    created_at timestamptz not null,
    unique (owner_id, at)
  ) with (fillfactor = 80)`,
  `create index launches_open on launches (owner_id, state, at) where state in ('waiting', 'starting', 'running')`,
  `create index launches_by_owner on launches (owner_id, id desc)`,
  `create index launches_by_pipeline on launches (pipeline, at) where state = 'ended'`,
];
