import { type Kysely, sql } from 'kysely';

/** What is known of the content and origin of dataset versions, and which part of them runs used. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `alter table dataset_versions
    add column source text,
    add column format text,
    add column columns jsonb,
    add column created_run_id text,
    add column created_attempt_id text`,
  `create index dataset_versions_newest on dataset_versions (created_at desc, name desc, sha256 desc)`,
  `create index dataset_versions_by_name on dataset_versions (name, created_at desc, sha256 desc)`,
  `alter table run_datasets add column split jsonb`,
  `create table dataset_profiles (
    name text not null,
    sha256 text not null,
    profile jsonb,
    preview jsonb,
    updated_at timestamptz not null default now(),
    primary key (name, sha256),
    foreign key (name, sha256) references dataset_versions
  )`,
];
