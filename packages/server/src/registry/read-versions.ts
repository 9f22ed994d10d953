import { TrainyardError } from '@trainyard/protocol';
import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { Schema } from '../store/schema.ts';
import type { Tag } from '../tracking/experiments.ts';
import { modelIdOf } from './model-id.ts';
import type { Stage } from './stages.ts';

export interface ModelVersion {
  readonly modelName: string;
  readonly version: number;
  readonly description: string | null;
  /** As the client has named it. */
  readonly source: string;
  /** Where the files are. */
  readonly storageLocation: string;
  readonly runId: string | null;
  readonly runLink: string | null;
  readonly userId: string | null;
  readonly loggedModelId: string | null;
  readonly checkpointId: string | null;
  readonly stage: Stage;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly tags: readonly Tag[];
  readonly aliases: readonly string[];
}

/** @throws TrainyardError NOT_FOUND */
export async function getModelVersion(
  db: Kysely<Schema>,
  name: string,
  version: number,
): Promise<ModelVersion> {
  const where = sql<boolean>`m.name = ${name} and v.version = ${version}`;
  const [found] = await readModelVersions(db, where, sql`v.version`, { limit: 1, offset: 0 });
  if (found === undefined) throw noVersion(name, version);
  return found;
}

/** The version that an alias stands for; `latest` is the highest. @throws TrainyardError NOT_FOUND */
export async function getVersionByAlias(
  db: Kysely<Schema>,
  name: string,
  alias: string,
): Promise<ModelVersion | undefined> {
  await modelIdOf(db, name);
  const isLatest = alias.toLowerCase() === 'latest';
  const where = isLatest
    ? sql<boolean>`m.name = ${name}`
    : sql<boolean>`m.name = ${name} and v.version = (
        select a.version from model_aliases a where a.model_id = m.id and a.alias = ${alias})`;
  const [found] = await readModelVersions(db, where, sql`v.version desc`, { limit: 1, offset: 0 });
  if (found !== undefined || !isLatest) return found;
  throw new TrainyardError('NOT_FOUND', `Latest version not found for model ${name}.`);
}

/** Those of a condition on `model_versions v` of `registered_models m` that are not deleted. */
export async function readModelVersions(
  db: Kysely<Schema>,
  where: RawBuilder<boolean>,
  order: RawBuilder<unknown>,
  page: { readonly limit: number; readonly offset: number },
): Promise<ModelVersion[]> {
  const { rows } = await sql<VersionRow>`
    select ${VERSION_COLUMNS} from model_versions v join registered_models m on m.id = v.model_id
    where v.deleted_at is null and ${where}
    order by ${order} limit ${page.limit} offset ${page.offset}`.execute(db);
  return rows.map(toVersion);
}

/** For queries of others over `model_versions v` and `registered_models m`. */
export const VERSION_COLUMNS = sql`m.name as model_name, v.version, v.description, v.source, v.storage_location,
  v.run_id, v.run_link, v.user_id, v.logged_model_id, v.checkpoint_id, v.stage, v.created_at, v.updated_at,
  coalesce((select json_agg(json_build_object('key', t.key, 'value', t.value) order by t.key)
    from model_version_tags t where t.model_id = v.model_id and t.version = v.version), '[]') as tags,
  coalesce((select json_agg(a.alias order by a.alias)
    from model_aliases a where a.model_id = v.model_id and a.version = v.version), '[]') as aliases`;

export interface VersionRow {
  readonly model_name: string;
  readonly version: number;
  readonly description: string | null;
  readonly source: string;
  readonly storage_location: string;
  readonly run_id: string | null;
  readonly run_link: string | null;
  readonly user_id: string | null;
  readonly logged_model_id: string | null;
  readonly checkpoint_id: string | null;
  readonly stage: Stage;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly tags: Tag[];
  readonly aliases: string[];
}

export function toVersion(row: VersionRow): ModelVersion {
  return {
    modelName: row.model_name,
    version: row.version,
    description: row.description,
    source: row.source,
    storageLocation: row.storage_location,
    runId: row.run_id,
    runLink: row.run_link,
    userId: row.user_id,
    loggedModelId: row.logged_model_id,
    checkpointId: row.checkpoint_id,
    stage: row.stage,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    tags: row.tags,
    aliases: row.aliases,
  };
}

export function noVersion(name: string, version: number): TrainyardError {
  return new TrainyardError('NOT_FOUND', `Model Version (name=${name}, version=${version}) not found`);
}
