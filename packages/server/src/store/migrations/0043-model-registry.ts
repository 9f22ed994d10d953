import { type Kysely, sql } from 'kysely';

/**
 * Registered models with their versions, aliases and tags, and models that runs have logged. Versions that are
 * deleted keep their row, so that no number is given twice. Metrics are found by key across runs from here on.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table registered_models (
    id bigint generated always as identity primary key,
    name text not null unique,
    description text,
    last_version integer not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  )`,
  `create table registered_model_tags (
    model_id bigint not null references registered_models on delete cascade,
    key text not null,
    value text not null,
    primary key (model_id, key)
  )`,
  `create table model_versions (
    model_id bigint not null references registered_models on delete cascade,
    version integer not null,
    description text,
    source text not null,
    storage_location text not null,
    run_id text,
    run_link text,
    user_id text,
    logged_model_id text,
    checkpoint_id text,
    stage text not null default 'None',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz,
    primary key (model_id, version)
  )`,
  `create index model_versions_by_run on model_versions (run_id) where run_id is not null`,
  `create index model_versions_newest on model_versions (updated_at desc) where deleted_at is null`,
  `create table model_version_tags (
    model_id bigint not null,
    version integer not null,
    key text not null,
    value text not null,
    primary key (model_id, version, key),
    foreign key (model_id, version) references model_versions on delete cascade
  )`,
  `create table model_aliases (
    model_id bigint not null,
    alias text not null,
    version integer not null,
    primary key (model_id, alias),
    foreign key (model_id, version) references model_versions on delete cascade
  )`,
  `create index model_aliases_by_version on model_aliases (model_id, version)`,

  `create table logged_models (
    id text primary key,
    experiment_id bigint not null references experiments,
    name text not null,
    model_type text,
    source_run_id text,
    status text not null default 'LOGGED_MODEL_PENDING',
    status_message text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    deleted_at timestamptz
  )`,
  `create index logged_models_by_experiment on logged_models (experiment_id, created_at desc)`,
  `create index logged_models_by_run on logged_models (source_run_id) where source_run_id is not null`,
  `create table logged_model_params (
    model_id text not null references logged_models on delete cascade,
    key text not null,
    value text not null,
    primary key (model_id, key)
  )`,
  `create table logged_model_tags (
    model_id text not null references logged_models on delete cascade,
    key text not null,
    value text not null,
    primary key (model_id, key)
  )`,
  // All points: searches ask whether there is one. Dataset and digest are empty where the metric is of none.
  `create table logged_model_metrics (
    model_id text not null references logged_models on delete cascade,
    key text not null,
    run_id text not null,
    time_ms bigint not null,
    step bigint not null,
    value double precision not null,
    dataset_name text not null default '',
    dataset_digest text not null default '',
    primary key (model_id, key, run_id, time_ms, step)
  )`,
  // Nothing that changes with a point is in it, so points cost it nothing.
  `create index metric_series_by_key on metric_series (key, run_id)`,
  `create index run_params_by_key on run_params (key, run_id)`,
];
