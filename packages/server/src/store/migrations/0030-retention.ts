import { type Kysely, sql } from 'kysely';

/** Logs that were removed by age or size, runs that are to be kept, and attempts whose run was deleted. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `alter table streams add column removed_at timestamptz, add column removed_because text`,
  `alter table trees add column kept_at timestamptz, add column logs_removed_at timestamptz,
    add column metric_files_removed_at timestamptz`,
  `create index trees_with_logs on trees (ended_at)
    where ended_at is not null and logs_removed_at is null and kept_at is null`,
  `create index trees_with_metric_files on trees (ended_at)
    where ended_at is not null and metric_files_removed_at is null and kept_at is null`,
  `create table deleted_attempts (
    attempt_id text primary key,
    run_id text not null,
    agent_id text not null,
    deleted_at timestamptz not null default now()
  )`,
  `create index dataset_versions_by_attempt on dataset_versions (created_attempt_id)
    where created_attempt_id is not null`,
  `create index deleted_attempts_by_age on deleted_attempts (deleted_at)`,
];
