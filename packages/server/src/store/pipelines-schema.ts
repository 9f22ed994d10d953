import type { Generated } from 'kysely';
import type { NullableInstant } from './schema.ts';

/** A pipeline that is registered by name. */
export interface PipelinesTable {
  name: string;
  description: string | null;
  /** 0 only inside of the transaction that writes the first version. */
  latest_version: number;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
  archived_at: NullableInstant;
}

/** A version of a registered pipeline; never changed, numbered from 1 without gaps. */
export interface PipelineVersionsTable {
  name: string;
  version: number;
  definition_sha256: string;
  /** Directory that `workingDir` is relative to, on the machines that run its jobs. */
  base_dir: string | null;
  file_name: string | null;
  /** Names of the registered pipelines that it uses itself. */
  uses: string[];
  note: string | null;
  created_at: Generated<Date>;
  /** Name of the token that registered it; null on an open server. */
  created_by: string | null;
}
