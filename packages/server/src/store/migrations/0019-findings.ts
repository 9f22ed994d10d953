import { type Kysely, sql } from 'kysely';

/** What rules have found in the metrics of attempts. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table findings (
    id text primary key,
    root_id text not null,
    run_id text not null,
    attempt_id text not null,
    attempt int not null,
    rule text not null,
    key text not null,
    severity text not null,
    action text not null,
    message text not null,
    first_step double precision,
    last_step double precision,
    first_time double precision,
    last_time double precision,
    opened_at timestamptz not null,
    closed_at timestamptz,
    acknowledged_at timestamptz,
    acknowledged_by text
  ) with (fillfactor = 80)`,
  // However many servers see the same points, a finding opens once.
  `create unique index findings_open on findings (attempt_id, rule, key) where closed_at is null`,
  `create index findings_by_run on findings (run_id, id desc)`,
  `create index findings_by_root on findings (root_id, id desc)`,
  `create index findings_unseen on findings (id desc) where acknowledged_at is null and action <> 'note'`,
];
