import type { JsonValue, TrainingJobDefinition } from '@trainyard/protocol';
import type { ColumnType, Generated } from 'kysely';
import type { Instant, NullableInstant, NullableJson } from './schema.ts';

type Json<T> = ColumnType<T, string, string>;

/** Training jobs and what they leave. */
export interface TrainingSchema {
  training_jobs: TrainingJobsTable;
  model_checkpoints: ModelCheckpointsTable;
  resumed_jobs: ResumedJobsTable;
  pipeline_drafts: PipelineDraftsTable;
  param_updates: ParamUpdatesTable;
  trial_rungs: TrialRungsTable;
}

/** What an item of a foreach had reached at a step at which items are compared. */
interface TrialRungsTable {
  /** Run of the foreach. */
  group_id: string;
  /** The step. */
  rung: number;
  run_id: string;
  value: number;
}

/** A change of the params of a running job. */
interface ParamUpdatesTable {
  run_id: string;
  /** Counts from 1 in its run. */
  revision: number;
  params: Json<Record<string, JsonValue>>;
  requested_by: string | null;
  requested_at: Instant;
  /** Number of the attempt whose program has answered. */
  attempt: number | null;
  accepted: NullableJson<Record<string, JsonValue>>;
  rejected: NullableJson<Record<string, string>>;
  step: number | null;
  answered_at: NullableInstant;
}

/** A training that is registered by name. */
interface TrainingJobsTable {
  id: string;
  name: string;
  /** With defaults filled in. */
  definition: Json<TrainingJobDefinition>;
  base_dir: string | null;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

interface ModelCheckpointsTable {
  id: string;
  /** Null for those of runs without a training job. */
  job_id: string | null;
  /** The run that saved it last. */
  run_id: string;
  root_id: string;
  path: string;
  step: number | null;
  metrics: Json<Record<string, number>>;
  size_bytes: number;
  created_at: Generated<Date>;
  epoch: number | null;
  /** Of its file or directory; null where it is not known. */
  sha256: string | null;
  /** Somebody wants to keep it. */
  pinned_at: ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;
  /** Somebody wants it removed. */
  removal_requested_at: ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;
  /** An agent was told to delete its files. */
  doomed_at: ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;
  /** Its files are gone. At most one row of a job and path has none. */
  deleted_at: ColumnType<Date | null, Date | string | null | undefined, Date | string | null>;
}

/** A run that goes on where another one ended. */
interface ResumedJobsTable {
  root_id: string;
  from_run: string;
  checkpoint: string | null;
  adjustments: Json<Record<string, unknown>>;
}

/** A pipeline of the older API: a stage list that is run once, when it is started. */
interface PipelineDraftsTable {
  id: string;
  name: string;
  document: Json<Record<string, unknown>>;
  created_by: string | null;
  /** Its run, once it was started. */
  root_id: string | null;
  created_at: Generated<Date>;
}
