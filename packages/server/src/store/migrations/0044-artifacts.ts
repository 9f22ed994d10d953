import { type Kysely, sql } from 'kysely';

/** Files of runs: which there are, in which content they share, and what is on its way. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table artifact_blobs (
    sha256 text primary key,
    size_bytes bigint not null,
    storage_key text not null unique,
    touched_at timestamptz not null default now()
  )`,
  'create index artifact_blobs_by_age on artifact_blobs (touched_at)',
  // By bytes, so that all that lies in a folder is one range.
  `create table artifacts (
    owner_id text not null,
    path text collate "C" not null,
    version integer not null,
    root_id text,
    sha256 text not null references artifact_blobs,
    size_bytes bigint not null,
    content_type text not null,
    created_at timestamptz not null default now(),
    primary key (owner_id, path, version)
  )`,
  'create index artifacts_by_blob on artifacts (sha256)',
  'create index artifacts_by_root on artifacts (root_id)',
  `create table artifact_uploads (
    id text primary key,
    owner_id text not null,
    root_id text,
    path text not null,
    size_bytes bigint not null,
    content_type text not null,
    created_at timestamptz not null default now(),
    version integer
  )`,
  'create index artifact_uploads_by_owner on artifact_uploads (owner_id)',
  'create index artifact_uploads_by_age on artifact_uploads (created_at)',
];
