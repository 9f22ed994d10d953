import type {
  ApprovalInfo,
  ApprovalStatus,
  CacheBasis,
  FailureClass,
  JsonValue,
  OnConflict,
  RunKind,
  RunStatus,
  UsedPipeline,
} from '@trainyard/protocol';
import type { ColumnType, Generated } from 'kysely';
import type { RerunRequest } from '../rerun/kept-stages.ts';
import type { AgentsTable } from './agents-schema.ts';
import type { ArtifactsSchema } from './artifacts-schema.ts';
import type { AttemptsTable } from './attempts-schema.ts';
import type { AutomationSchema } from './automation-schema.ts';
import type { FindingsTable } from './findings-schema.ts';
import type { PipelinesTable, PipelineVersionsTable } from './pipelines-schema.ts';
import type { RegistrySchema } from './registry-schema.ts';
import type { StreamSchema } from './stream-schema.ts';
import type { TrackingSchema } from './tracking-schema.ts';
import type { TrainingSchema } from './training-schema.ts';

/** JSON columns are written as text and read as values. */
export type Json<T = unknown> = ColumnType<T, string, string>;
export type NullableJson<T = unknown> = ColumnType<T | null, string | null | undefined, string | null>;
export type Instant = ColumnType<Date, Date | string, Date | string>;
export type NullableInstant = ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;

export interface StoredError {
  code: string;
  message: string;
  path?: string;
  class?: FailureClass;
  label?: string;
  triesLeft?: number;
}

/** Live servers. A tree whose owner is not here, or whose lease is over, may be taken over. */
export interface ServersTable {
  id: string;
  lease_until: Date;
  started_at: Generated<Date>;
}

/** Definitions, stored once per content. */
export interface DefinitionsTable {
  sha256: string;
  /** With defaults filled in and durations in milliseconds, for display. */
  definition: Json;
  /** The text it was read from (YAML or JSON): what a server that takes a tree over reads again. */
  source: string;
  /** What a person wrote, where pipelines that it uses were put in: `source` then has all of them. */
  written: string | null;
  /** The registered pipelines and files that were put in. */
  uses: NullableJson<UsedPipeline[]>;
  created_at: Generated<Date>;
}

/** One row per root run: what lists, ownership and the event counter need. */
export interface TreesTable {
  root_id: string;
  name: string;
  status: RunStatus;
  /** Null for a run from outside. */
  definition_sha256: string | null;
  /** Carried out by some other program, which tells us of it: no server owns it. */
  is_external: Generated<boolean>;
  file_name: string | null;
  base_dir: string | null;
  /** Leaves by status: {"completed": 3, "running": 1}. */
  counts: Json<Partial<Record<RunStatus, number>>>;
  event_seq: number;
  owner_id: string | null;
  /** Fencing number of the owner; grows with every take-over. */
  epoch: Generated<number>;
  idempotency_key: string | null;
  request_sha256: string | null;
  /** The registered pipeline that this is a run of. */
  pipeline_name: string | null;
  pipeline_version: number | null;
  /** Concurrency group of the run, with what its definition says about it. */
  group_name: string | null;
  group_limit: number | null;
  group_conflict: OnConflict | null;
  /** Since when it holds its group; null while it waits for its turn, or has no group. */
  admitted_at: NullableInstant;
  /** Root of the run that this one does again, and what was asked for. */
  rerun_of: string | null;
  rerun: NullableJson<RerunRequest>;
  /** Paths of the stages that this run was limited to; null for all. */
  only_stages: string[] | null;
  /** When it was asked to end in favour of another run of its group. */
  group_cancelled_at: NullableInstant;
  /** What the keys of cached stages are made from. */
  cache_basis: NullableJson<CacheBasis>;
  /** No results of other runs are used. */
  no_cache: Generated<boolean>;
  /** Owner of the token that it was submitted with. */
  created_by: string | null;
  created_at: Instant;
  ended_at: NullableInstant;
  /** Since when somebody wants to keep all of it, whatever retention says. */
  kept_at: NullableInstant;
  /** When its logs were removed by retention, and what its metrics were written as. */
  logs_removed_at: NullableInstant;
  metric_files_removed_at: NullableInstant;
}

export interface RunsTable {
  id: string;
  root_id: string;
  parent_id: string | null;
  node_index: number;
  depth: number;
  kind: RunKind;
  name: string;
  path: string;
  /** Of an item of a foreach: {"index": 0, "value": …}. */
  item: NullableJson<{ index: number; value: JsonValue }>;
  depends_on: string[];
  status: RunStatus;
  reason: string | null;
  error: NullableJson<StoredError>;
  params: Json<Record<string, unknown>>;
  outputs: NullableJson;
  /** The run that produced what this one keeps; null when it ran itself. */
  kept_from: string | null;
  /** The run that had given the same result before; null when it ran itself. */
  cached_from: string | null;
  /** Of a stage whose result others may use. */
  cache_key: string | null;
  /** Number of the newest attempt; 0 before the first. */
  attempt: Generated<number>;
  /** The planner's own fields of this node (dag's node snapshot). */
  planner: NullableJson<Record<string, unknown>>;
  created_at: Instant;
  queued_at: NullableInstant;
  started_at: NullableInstant;
  ended_at: NullableInstant;
}

/** That a foreach stage got its items: in this order they give the nodes of all items their numbers. */
export interface TreeExpansionsTable {
  root_id: string;
  /** Counts from 0 within the tree. */
  sequence: number;
  node: number;
  count: number;
}

/** Named capacities that span runs. */
export interface PoolsTable {
  name: string;
  slots: number;
  description: string | null;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

/** A stage that waits, or has waited, for a person. */
export interface ApprovalsTable {
  run_id: string;
  root_id: string;
  node_index: number;
  /** Name of the root run. */
  pipeline: string;
  path: string;
  status: ApprovalStatus;
  message: string;
  /** With the defaults that its expressions gave; in the order of the definition, which `jsonb` would not keep. */
  form: Json<ApprovalInfo['form']>;
  approvers: string[] | null;
  on_timeout: ApprovalInfo['onTimeout'];
  escalate_to: string[] | null;
  requested_at: Instant;
  /** When it ends, or is escalated, by itself. */
  timeout_at: NullableInstant;
  escalated_at: NullableInstant;
  decided_at: NullableInstant;
  /** Name of a token, or "open server"; null when the timeout decided. */
  decided_by: string | null;
  comment: string | null;
  inputs: NullableJson<Record<string, unknown>>;
}

/** Facts for the owner of a tree, written by whichever server learned them. */
export interface TreeInboxTable {
  id: Generated<number>;
  root_id: string;
  event: Json;
}

export interface EventsTable {
  root_id: string;
  seq: number;
  run_id: string;
  type: string;
  at: Instant;
  data: Json<Record<string, unknown>>;
}

export interface SecretsTable {
  name: string;
  /** See auth/secret-box.ts. */
  sealed: Buffer;
  key_id: string;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

export interface TokensTable {
  id: string;
  name: string;
  hash: Buffer;
  scopes: string[];
  created_at: Generated<Date>;
  expires_at: NullableInstant;
  revoked_at: NullableInstant;
  last_used_at: NullableInstant;
  /** Whose runs are made with it; null for the server's own. */
  owner: string | null;
}

/** Results that runs use again, by the key of what was asked. */
export interface StageCacheTable {
  key: string;
  /** The run that produced it. */
  run_id: string;
  root_id: string;
  pipeline: string;
  /** Path in the definition. */
  stage: string;
  created_at: Generated<Date>;
}

export interface Schema
  extends ArtifactsSchema,
    AutomationSchema,
    RegistrySchema,
    StreamSchema,
    TrackingSchema,
    TrainingSchema {
  findings: FindingsTable;
  servers: ServersTable;
  definitions: DefinitionsTable;
  pipelines: PipelinesTable;
  pipeline_versions: PipelineVersionsTable;
  trees: TreesTable;
  runs: RunsTable;
  stage_cache: StageCacheTable;
  tree_expansions: TreeExpansionsTable;
  attempts: AttemptsTable;
  pools: PoolsTable;
  approvals: ApprovalsTable;
  tree_inbox: TreeInboxTable;
  events: EventsTable;
  agents: AgentsTable;
  secrets: SecretsTable;
  tokens: TokensTable;
}
