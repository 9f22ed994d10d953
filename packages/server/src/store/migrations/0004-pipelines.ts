import { type Kysely, sql } from 'kysely';

/** Pipelines that are registered by name, with all their versions, and what a run says of the one it is of. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table pipelines (
    name text primary key,
    description text,
    latest_version int not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    archived_at timestamptz
  )`,

  `create table pipeline_versions (
    name text not null references pipelines on delete cascade,
    version int not null,
    definition_sha256 text not null references definitions,
    base_dir text,
    file_name text,
    uses text[] not null default '{}',
    note text,
    created_at timestamptz not null default now(),
    created_by text,
    primary key (name, version)
  )`,
  `create index pipeline_versions_by_use on pipeline_versions using gin (uses)`,

  `alter table definitions add column written text, add column uses jsonb`,
  `create index definitions_by_use on definitions using gin (uses jsonb_path_ops) where uses is not null`,

  `alter table trees add column pipeline_name text, add column pipeline_version int`,
  `create index trees_by_pipeline on trees (pipeline_name, root_id desc) where pipeline_name is not null`,
];
