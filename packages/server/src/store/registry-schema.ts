import type { ColumnType, Generated } from 'kysely';
import type { NullableInstant } from './schema.ts';

/** Registered models, and models that runs have logged. */
export interface RegistrySchema {
  registered_models: RegisteredModelsTable;
  registered_model_tags: KeyedTable<number>;
  model_versions: ModelVersionsTable;
  model_version_tags: KeyedTable<number> & { version: number };
  model_aliases: ModelAliasesTable;
  logged_models: LoggedModelsTable;
  logged_model_params: KeyedTable<string>;
  logged_model_tags: KeyedTable<string>;
  logged_model_metrics: LoggedModelMetricsTable;
}

interface KeyedTable<Id> {
  model_id: Id;
  key: string;
  value: string;
}

type Updated = ColumnType<Date, Date | undefined, Date>;

interface RegisteredModelsTable {
  id: Generated<number>;
  name: string;
  description: string | null;
  /** The highest number that a version was ever given. */
  last_version: Generated<number>;
  created_at: Generated<Date>;
  updated_at: Updated;
}

interface ModelVersionsTable {
  model_id: number;
  version: number;
  description: string | null;
  /** As the client has named it. */
  source: string;
  /** Where the files are: what `source` means. */
  storage_location: string;
  run_id: string | null;
  run_link: string | null;
  user_id: string | null;
  logged_model_id: string | null;
  /** The model checkpoint whose files it is. */
  checkpoint_id: string | null;
  stage: Generated<string>;
  created_at: Generated<Date>;
  updated_at: Updated;
  deleted_at: NullableInstant;
}

interface ModelAliasesTable {
  model_id: number;
  alias: string;
  version: number;
}

interface LoggedModelsTable {
  id: string;
  experiment_id: number;
  name: string;
  model_type: string | null;
  source_run_id: string | null;
  /** As MLflow's clients write it: `LOGGED_MODEL_PENDING`, `LOGGED_MODEL_READY` or `LOGGED_MODEL_UPLOAD_FAILED`. */
  status: Generated<string>;
  status_message: string | null;
  created_at: Generated<Date>;
  updated_at: Updated;
  deleted_at: NullableInstant;
}

interface LoggedModelMetricsTable {
  model_id: string;
  key: string;
  run_id: string;
  /** Empty where the metric is of no dataset. */
  dataset_name: string;
  dataset_digest: string;
  value: number;
  step: number;
  time_ms: number;
}
