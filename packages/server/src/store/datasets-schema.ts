import type { DatasetColumn, DatasetPreview, DatasetSplit, StoredDatasetProfile } from '@trainyard/protocol';
import type { Generated, JSONColumnType } from 'kysely';

/** Tables of dataset versions, and of their use by runs. */
export interface DatasetsSchema {
  dataset_versions: DatasetVersionsTable;
  run_datasets: RunDatasetsTable;
  dataset_profiles: DatasetProfilesTable;
}

interface DatasetVersionsTable {
  name: string;
  sha256: string;
  size_bytes: number;
  rows: number | null;
  path: string;
  created_at: Generated<Date>;
  /** Where the file came from, such as a URL. */
  source: string | null;
  format: string | null;
  columns: JSONColumnType<DatasetColumn[]> | null;
  /** Attempt that wrote it first. */
  created_run_id: string | null;
  created_attempt_id: string | null;
}

interface RunDatasetsTable {
  run_id: string;
  root_id: string;
  name: string;
  sha256: string;
  role: 'input' | 'output';
  /** The part that was in effect, as the program recorded it. */
  split: JSONColumnType<DatasetSplit> | null;
}

/** What was registered by somebody who could read the file. */
interface DatasetProfilesTable {
  name: string;
  sha256: string;
  profile: JSONColumnType<StoredDatasetProfile> | null;
  preview: JSONColumnType<DatasetPreview> | null;
  updated_at: Generated<Date>;
}
