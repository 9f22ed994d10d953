import type { Generated } from 'kysely';

/** Tables of the files of runs. */
export interface ArtifactsSchema {
  artifact_blobs: ArtifactBlobsTable;
  artifacts: ArtifactsTable;
  artifact_uploads: ArtifactUploadsTable;
}

/** Content that the store has, once, whoever refers to it. */
interface ArtifactBlobsTable {
  sha256: string;
  size_bytes: number;
  /** Where it is in the store. Never used again, so that whoever removes it can hit nobody else. */
  storage_key: string;
  /** When somebody referred to it last; content that nobody refers to goes some time after that. */
  touched_at: Generated<Date>;
}

interface ArtifactsTable {
  /** The run, or the logged model, that it is of. */
  owner_id: string;
  path: string;
  /** Counts from 1. */
  version: number;
  /** Root of the run's tree, with which it goes; null where there is none. */
  root_id: string | null;
  sha256: string;
  size_bytes: number;
  content_type: string;
  created_at: Generated<Date>;
}

/** Files that come in parts. */
interface ArtifactUploadsTable {
  id: string;
  owner_id: string;
  root_id: string | null;
  path: string;
  size_bytes: number;
  content_type: string;
  created_at: Generated<Date>;
  /** What became of it: the version of the path. */
  version: number | null;
}
