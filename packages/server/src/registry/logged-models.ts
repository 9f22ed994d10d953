import { randomUUID } from 'node:crypto';
import { TrainyardError } from '@trainyard/protocol';
import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { Schema } from '../store/schema.ts';
import type { Tag } from '../tracking/experiments.ts';

/** A model that a run has logged; what becomes of it may be a version of a registered model. */
export interface LoggedModel {
  readonly id: string;
  readonly experimentId: number;
  /** Of its experiment; null: the server keeps the files itself. */
  readonly artifactLocation: string | null;
  readonly name: string;
  readonly modelType: string | null;
  readonly sourceRunId: string | null;
  readonly status: LoggedModelStatus;
  readonly statusMessage: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly isDeleted: boolean;
  readonly params: readonly Tag[];
  readonly tags: readonly Tag[];
  readonly metrics: readonly LoggedModelMetric[];
}

export interface LoggedModelMetric {
  readonly key: string;
  readonly value: number;
  readonly step: number;
  readonly timeMs: number;
  readonly runId: string;
  readonly datasetName: string;
  readonly datasetDigest: string;
}

export const LOGGED_MODEL_STATUSES = [
  'LOGGED_MODEL_PENDING',
  'LOGGED_MODEL_READY',
  'LOGGED_MODEL_UPLOAD_FAILED',
] as const;
export type LoggedModelStatus = (typeof LOGGED_MODEL_STATUSES)[number];

/** Metric points that are told of one model, the newest. */
const MAX_METRICS = 1000;

export async function createLoggedModel(
  db: Kysely<Schema>,
  input: {
    readonly experimentId: number;
    readonly name: string | null;
    readonly modelType: string | null;
    readonly sourceRunId: string | null;
    readonly params: readonly Tag[];
    readonly tags: readonly Tag[];
  },
): Promise<LoggedModel> {
  const id = `m-${randomUUID().replaceAll('-', '')}`;
  return db.transaction().execute(async (trx) => {
    await trx
      .insertInto('logged_models')
      .values({
        id,
        experiment_id: input.experimentId,
        name: input.name ?? `model-${id.slice(-8)}`,
        model_type: input.modelType,
        source_run_id: input.sourceRunId,
      })
      .execute();
    await addLoggedParams(trx, id, input.params);
    await writeLoggedTags(trx, id, input.tags);
    return getLoggedModel(trx, id);
  });
}

/** @throws TrainyardError NOT_FOUND */
export async function getLoggedModel(
  db: Kysely<Schema>,
  id: string,
  { allowDeleted = false }: { readonly allowDeleted?: boolean } = {},
): Promise<LoggedModel> {
  const [found] = await readLoggedModels(db, sql`l.id = ${id}`, { order: sql`l.id`, limit: 1, offset: 0 });
  if (found === undefined || (found.isDeleted && !allowDeleted)) throw noLoggedModel(id);
  return found;
}

/** Those of a condition on `logged_models l`, with all that hangs on them. */
export async function readLoggedModels(
  db: Kysely<Schema>,
  where: RawBuilder<boolean>,
  query: {
    readonly joins?: RawBuilder<unknown>;
    readonly order: RawBuilder<unknown>;
    readonly limit: number;
    readonly offset: number;
  },
): Promise<LoggedModel[]> {
  const { rows } = await sql<LoggedModelRow>`
    select l.*, e.artifact_location,
      coalesce((select json_agg(json_build_object('key', p.key, 'value', p.value) order by p.key)
        from logged_model_params p where p.model_id = l.id), '[]') as params,
      coalesce((select json_agg(json_build_object('key', t.key, 'value', t.value) order by t.key)
        from logged_model_tags t where t.model_id = l.id), '[]') as tags
    from logged_models l join experiments e on e.id = l.experiment_id ${query.joins ?? sql``}
    where ${where} order by ${query.order} limit ${query.limit} offset ${query.offset}`.execute(db);
  const { rows: metrics } = await sql<LoggedModelMetric & { modelId: string }>`
    select w.id as "modelId", x.key, x.value, x.step, x.time_ms as "timeMs", x.run_id as "runId",
      x.dataset_name as "datasetName", x.dataset_digest as "datasetDigest"
    from unnest(${rows.map(({ id }) => id)}::text[]) as w (id)
    cross join lateral (select * from logged_model_metrics y where y.model_id = w.id
      order by time_ms desc, step desc limit ${MAX_METRICS}) x
    order by w.id, x.key, x.time_ms, x.step`.execute(db);
  const metricsOf = Map.groupBy(metrics, ({ modelId }) => modelId);
  return rows.map((row) => ({
    id: row.id,
    experimentId: row.experiment_id,
    artifactLocation: row.artifact_location,
    name: row.name,
    modelType: row.model_type,
    sourceRunId: row.source_run_id,
    status: row.status,
    statusMessage: row.status_message,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    isDeleted: row.deleted_at !== null,
    params: row.params,
    tags: row.tags,
    metrics: metricsOf.get(row.id) ?? [],
  }));
}

interface LoggedModelRow {
  readonly id: string;
  readonly experiment_id: number;
  readonly artifact_location: string | null;
  readonly name: string;
  readonly model_type: string | null;
  readonly source_run_id: string | null;
  readonly status: LoggedModelStatus;
  readonly status_message: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly deleted_at: Date | null;
  readonly params: Tag[];
  readonly tags: Tag[];
}

/** @throws TrainyardError NOT_FOUND */
export async function finishLoggedModel(
  db: Kysely<Schema>,
  id: string,
  status: LoggedModelStatus,
): Promise<LoggedModel> {
  await updateLoggedModel(db, id, { status });
  return getLoggedModel(db, id);
}

/** @throws TrainyardError NOT_FOUND */
export async function deleteLoggedModel(db: Kysely<Schema>, id: string): Promise<void> {
  await updateLoggedModel(db, id, { deleted_at: new Date() });
}

async function updateLoggedModel(
  db: Kysely<Schema>,
  id: string,
  values: { readonly status?: LoggedModelStatus; readonly deleted_at?: Date },
): Promise<void> {
  const { numUpdatedRows } = await db
    .updateTable('logged_models')
    .set({ ...values, updated_at: sql<Date>`now()` })
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw noLoggedModel(id);
}

/**
 * Adds params. The same value again changes nothing.
 * @throws TrainyardError NOT_FOUND; INVALID_REQUEST for another value, which leaves all as it was
 */
export async function logModelParams(db: Kysely<Schema>, id: string, params: readonly Tag[]): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await requireLoggedModel(trx, id);
    await addLoggedParams(trx, id, params);
  });
}

async function addLoggedParams(db: Kysely<Schema>, id: string, params: readonly Tag[]): Promise<void> {
  if (params.length === 0) return;
  await db
    .insertInto('logged_model_params')
    .values(params.map(({ key, value }) => ({ model_id: id, key, value })))
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  const stored = await db
    .selectFrom('logged_model_params')
    .select(['key', 'value'])
    .where('model_id', '=', id)
    .where(
      'key',
      'in',
      params.map(({ key }) => key),
    )
    .execute();
  const storedOf = new Map(stored.map(({ key, value }) => [key, value]));
  const other = params.find(({ key, value }) => storedOf.get(key) !== value);
  if (other === undefined) return;
  throw new TrainyardError(
    'INVALID_REQUEST',
    `Param '${other.key}' of the logged model ${id} has the value '${storedOf.get(other.key)?.slice(0, 100)}' already; params are written once.`,
  );
}

/** @throws TrainyardError NOT_FOUND */
export async function setLoggedTags(db: Kysely<Schema>, id: string, tags: readonly Tag[]): Promise<void> {
  await requireLoggedModel(db, id);
  await writeLoggedTags(db, id, tags);
}

/** @throws TrainyardError NOT_FOUND when there is no such model, or no such tag */
export async function deleteLoggedTag(db: Kysely<Schema>, id: string, key: string): Promise<void> {
  await requireLoggedModel(db, id);
  const { numDeletedRows } = await db
    .deleteFrom('logged_model_tags')
    .where('model_id', '=', id)
    .where('key', '=', key)
    .executeTakeFirst();
  if (numDeletedRows > 0n) return;
  throw new TrainyardError('NOT_FOUND', `No tag with key '${key}' found for model with ID '${id}'.`);
}

/** The later of two tags of one key counts. */
export async function writeLoggedTags(db: Kysely<Schema>, id: string, tags: readonly Tag[]): Promise<void> {
  const last = new Map(tags.map(({ key, value }) => [key, value]));
  if (last.size === 0) return;
  await db
    .insertInto('logged_model_tags')
    .values([...last].map(([key, value]) => ({ model_id: id, key, value })))
    .onConflict((conflict) =>
      conflict.columns(['model_id', 'key']).doUpdateSet((row) => ({ value: row.ref('excluded.value') })),
    )
    .execute();
}

async function requireLoggedModel(db: Kysely<Schema>, id: string): Promise<void> {
  const found = await db
    .selectFrom('logged_models')
    .select('id')
    .where('id', '=', id)
    .where('deleted_at', 'is', null)
    .executeTakeFirst();
  if (found === undefined) throw noLoggedModel(id);
}

export function noLoggedModel(id: string): TrainyardError {
  return new TrainyardError('NOT_FOUND', `Logged model with ID '${id}' not found.`);
}
