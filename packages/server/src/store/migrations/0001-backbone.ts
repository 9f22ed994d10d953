import { type Kysely, sql } from 'kysely';

/**
 * The first schema. Rules: only what PostgreSQL 15 has; status columns that change often stay out of
 * indices where they can (heap-only updates), hot tables leave room on their pages for the same reason.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table servers (
    id text primary key,
    lease_until timestamptz not null,
    started_at timestamptz not null default now()
  )`,

  `create table definitions (
    sha256 text primary key,
    definition jsonb not null,
    source text not null,
    created_at timestamptz not null default now()
  )`,

  `create table trees (
    root_id text primary key,
    name text not null,
    status text not null,
    definition_sha256 text not null references definitions,
    file_name text,
    base_dir text,
    counts jsonb not null default '{}',
    event_seq bigint not null default 0,
    owner_id text,
    epoch bigint not null default 0,
    idempotency_key text unique,
    request_sha256 text,
    created_at timestamptz not null,
    ended_at timestamptz
  ) with (fillfactor = 70)`,
  `create index trees_by_status on trees (status, root_id desc)`,
  `create index trees_by_name on trees (name, root_id desc)`,
  `create index trees_unfinished on trees (root_id) where ended_at is null`,

  `create table runs (
    id text primary key,
    root_id text not null,
    parent_id text,
    node_index int not null,
    depth int not null,
    kind text not null,
    name text not null,
    path text not null,
    depends_on text[] not null default '{}',
    status text not null,
    reason text,
    error jsonb,
    params jsonb not null default '{}',
    outputs jsonb,
    attempt int not null default 0,
    planner jsonb,
    created_at timestamptz not null,
    queued_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    unique (root_id, node_index)
  ) with (fillfactor = 60)`,

  `create table attempts (
    id text primary key,
    run_id text not null references runs,
    root_id text not null,
    number int not null,
    epoch int not null,
    node_index int not null,
    status text not null,
    queue text not null,
    priority int not null,
    gpus int not null default 0,
    spec jsonb not null,
    agent_id text,
    claim_request text,
    token_hash bytea,
    lease_until timestamptz,
    unreachable_since timestamptz,
    cancel_requested_at timestamptz,
    pid int,
    exit_code int,
    signal text,
    error jsonb,
    progress jsonb,
    cleanup_error text,
    undelivered jsonb,
    created_at timestamptz not null,
    claimed_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    unique (run_id, number)
  ) with (fillfactor = 60)`,
  `create index attempts_claimable on attempts (queue, priority desc, created_at, id) where status = 'queued'`,
  `create index attempts_held on attempts (agent_id, id) where status in ('leased', 'running', 'paused')`,
  `create index attempts_claim_request on attempts (claim_request) where status in ('leased', 'running', 'paused')`,

  `create table tree_inbox (
    id bigint generated always as identity primary key,
    root_id text not null,
    event jsonb not null
  )`,
  `create index tree_inbox_by_root on tree_inbox (root_id, id)`,

  `create table events (
    root_id text not null,
    seq bigint not null,
    run_id text not null,
    type text not null,
    at timestamptz not null,
    data jsonb not null,
    primary key (root_id, seq)
  )`,

  `create table agents (
    id text primary key,
    name text not null,
    hostname text not null,
    version text not null,
    boot_id text not null,
    slots int not null,
    gpus int not null,
    queues text[] not null,
    labels jsonb not null default '{}',
    last_seen_at timestamptz not null,
    created_at timestamptz not null default now()
  ) with (fillfactor = 70)`,

  `create table tokens (
    id text primary key,
    name text not null,
    hash bytea not null unique,
    scopes text[] not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz
  )`,

  `create table dataset_versions (
    name text not null,
    sha256 text not null,
    size_bytes bigint not null,
    rows bigint,
    path text not null,
    created_at timestamptz not null default now(),
    primary key (name, sha256)
  )`,
  `create table run_datasets (
    run_id text not null references runs,
    root_id text not null,
    name text not null,
    sha256 text not null,
    role text not null,
    primary key (run_id, name, sha256, role),
    foreign key (name, sha256) references dataset_versions
  )`,
  `create index run_datasets_by_root on run_datasets (root_id)`,
  `create index run_datasets_by_version on run_datasets (name, sha256)`,

  `create table streams (
    attempt_id text not null,
    stream text not null,
    run_id text not null,
    size bigint not null,
    parsed bigint not null default 0,
    in_long_line boolean not null default false,
    unreadable_lines bigint not null default 0,
    primary key (attempt_id, stream)
  ) with (fillfactor = 70)`,
  `create table stream_chunks (
    attempt_id text not null,
    stream text not null,
    "offset" bigint not null,
    bytes bytea not null,
    received_at timestamptz not null,
    primary key (attempt_id, stream, "offset")
  )`,
  `alter table stream_chunks alter column bytes set storage external`,

  `create table metric_series (
    id bigint generated always as identity primary key,
    run_id text not null,
    key text not null,
    first_step bigint not null,
    last_step bigint not null,
    last_attempt int not null,
    last_value double precision not null,
    last_time double precision not null,
    count bigint not null,
    min double precision,
    max double precision,
    unmerged_chunks int not null default 0,
    unique (run_id, key)
  ) with (fillfactor = 70)`,
  `create table metric_chunks (
    id bigint generated always as identity primary key,
    series_id bigint not null,
    attempt int not null,
    first_step bigint not null,
    last_step bigint not null,
    n int not null,
    min double precision,
    max double precision,
    first_value double precision not null,
    first_time double precision not null,
    last_value double precision not null,
    last_time double precision not null,
    codec smallint not null,
    data bytea not null
  )`,
  `alter table metric_chunks alter column data set storage external`,
  `create index metric_chunks_by_series on metric_chunks (series_id, first_step)`,
  // What compaction looks at: must stay equal to SMALL_CHUNK_POINTS in ingest/merge-plan.ts.
  `create index metric_chunks_small on metric_chunks (series_id) where n < 1024`,
];
