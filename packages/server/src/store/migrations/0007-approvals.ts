import { type Kysely, sql } from 'kysely';

/** Stages that wait, or have waited, for a person. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table approvals (
    run_id text primary key references runs,
    root_id text not null,
    node_index int not null,
    pipeline text not null,
    path text not null,
    status text not null,
    message text not null,
    form json not null,
    approvers text[],
    on_timeout text not null,
    escalate_to text[],
    requested_at timestamptz not null,
    timeout_at timestamptz,
    escalated_at timestamptz,
    decided_at timestamptz,
    decided_by text,
    comment text,
    inputs jsonb
  )`,
  'create index approvals_by_status on approvals (status, run_id)',
  'create index approvals_by_root on approvals (root_id, run_id)',
];
