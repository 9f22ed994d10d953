import { type Kysely, sql } from 'kysely';

/** Training jobs that are registered by name, and the model checkpoints that programs recorded. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table training_jobs (
    id text primary key,
    name text not null unique,
    definition jsonb not null,
    base_dir text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  )`,

  `create table model_checkpoints (
    id text primary key,
    job_id text references training_jobs on delete set null,
    run_id text not null,
    root_id text not null,
    path text not null,
    step bigint,
    metrics jsonb not null default '{}',
    size_bytes bigint not null,
    created_at timestamptz not null default now(),
    deleted_at timestamptz
  )`,
  // What is at a path is one checkpoint of its job, whichever run wrote it last.
  `create unique index model_checkpoints_live on model_checkpoints ((coalesce(job_id, run_id)), path)
    where deleted_at is null`,
  `create index model_checkpoints_by_job on model_checkpoints (job_id, id desc) where job_id is not null`,
  `create index model_checkpoints_by_run on model_checkpoints (run_id)`,

  `alter table attempts add column training_job_id text`,
  `create index attempts_of_training_job on attempts (training_job_id, id desc) where training_job_id is not null`,
];
