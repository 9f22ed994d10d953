import type { ColumnType, Generated } from 'kysely';
import type { Json, NullableInstant } from './schema.ts';

/** Experiments, and what of runs is tracked beside their metrics. */
export interface TrackingSchema {
  experiments: ExperimentsTable;
  experiment_tags: ExperimentTagsTable;
  tracked_runs: TrackedRunsTable;
  run_params: RunParamsTable;
  run_tags: RunTagsTable;
  tracked_datasets: TrackedDatasetsTable;
  run_inputs: RunInputsTable;
  run_models: RunModelsTable;
}

interface ExperimentsTable {
  /** 0 is "Default", which is always there. */
  id: Generated<number>;
  /** Nobody else has it, deleted ones included. */
  name: string;
  /** Null: the server keeps the artifacts itself. */
  artifact_location: string | null;
  created_at: Generated<Date>;
  updated_at: ColumnType<Date, Date | undefined, Date>;
  deleted_at: NullableInstant;
}

interface ExperimentTagsTable {
  experiment_id: number;
  key: string;
  value: string;
}

/** A run that belongs to an experiment: one from outside, or one of our own that has metrics, params or tags. */
interface TrackedRunsTable {
  run_id: string;
  root_id: string;
  experiment_id: number;
  /** What people call it, which may differ from the name of its stage. */
  name: string;
  user_id: Generated<string>;
  /** Null: in the place of its experiment. */
  artifact_uri: string | null;
  /** Epoch milliseconds, as the client has set them; the end of our own runs is in `runs`. */
  start_ms: number;
  end_ms: number | null;
  /** The run whose params, and points up to a step, it began with. */
  forked_from: string | null;
  forked_step: number | null;
  deleted_at: NullableInstant;
}

/** Written once: the same value again changes nothing, another one is refused. */
interface RunParamsTable {
  run_id: string;
  key: string;
  value: string;
}

interface RunTagsTable {
  run_id: string;
  key: string;
  value: string;
}

/** A dataset that runs of an experiment have read, as their programs describe it. */
interface TrackedDatasetsTable {
  id: Generated<number>;
  experiment_id: number;
  name: string;
  digest: string;
  source_type: string;
  source: string;
  schema: string | null;
  profile: string | null;
}

interface RunInputsTable {
  run_id: string;
  dataset_id: number;
  tags: Json<{ key: string; value: string }[]>;
}

/** A logged model that a run has read or made. */
interface RunModelsTable {
  run_id: string;
  role: 'input' | 'output';
  model_id: string;
  step: Generated<number>;
}
