import { type Kysely, sql } from 'kysely';

/** What programs report by themselves with their job's token, changed params of running jobs, metrics from logs. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `alter table streams
    add column inserted_bytes bigint not null default 0,
    add column inserted_lines bigint not null default 0,
    add column has_cut_line boolean not null default false,
    add column reads_console boolean not null default false`,
  `alter table attempts
    add column job_token_hash bytea,
    add column announced jsonb,
    add column params_revision int not null default 0,
    add column params_answered int not null default 0`,
  `create table param_updates (
    run_id text not null references runs (id),
    revision int not null,
    params jsonb not null,
    requested_by text,
    requested_at timestamptz not null,
    attempt int,
    accepted jsonb,
    rejected jsonb,
    step double precision,
    answered_at timestamptz,
    primary key (run_id, revision)
  )`,
];
