import { TrainyardError } from '@trainyard/protocol';
import { type Kysely, sql, type Transaction, type UpdateObject } from 'kysely';
import type { Schema } from '../store/schema.ts';
import type { Tag } from '../tracking/experiments.ts';
import { modelIdOf, noModel } from './model-id.ts';
import { getModelVersion, type ModelVersion, noVersion } from './read-versions.ts';
import { ACTIVE_STAGES, type Stage } from './stages.ts';

/** What a version is made of; the rest follows. */
export type NewVersion = Omit<ModelVersion, 'version' | 'stage' | 'createdAt' | 'updatedAt' | 'aliases'>;

/** The next version; no number is given twice. @throws TrainyardError NOT_FOUND */
export async function createModelVersion(db: Kysely<Schema>, input: NewVersion): Promise<ModelVersion> {
  return db.transaction().execute(async (trx) => {
    // Locks the model, so that versions made at once get numbers one after the other.
    const model = await trx
      .updateTable('registered_models')
      .set({ last_version: sql<number>`last_version + 1`, updated_at: sql<Date>`now()` })
      .where('name', '=', input.modelName)
      .returning(['id', 'last_version as version'])
      .executeTakeFirst();
    if (model === undefined) throw noModel(input.modelName);
    await trx
      .insertInto('model_versions')
      .values({
        model_id: model.id,
        version: model.version,
        description: input.description,
        source: input.source,
        storage_location: input.storageLocation,
        run_id: input.runId,
        run_link: input.runLink,
        user_id: input.userId,
        logged_model_id: input.loggedModelId,
        checkpoint_id: input.checkpointId,
      })
      .execute();
    for (const tag of input.tags) await writeVersionTag(trx, model.id, model.version, tag);
    return getModelVersion(trx, input.modelName, model.version);
  });
}

/** @throws TrainyardError NOT_FOUND */
export async function describeModelVersion(
  db: Kysely<Schema>,
  name: string,
  version: number,
  description: string | null,
): Promise<ModelVersion> {
  await updateVersion(db, name, version, { description });
  return getModelVersion(db, name, version);
}

/** @throws TrainyardError NOT_FOUND, INVALID_REQUEST */
export async function moveToStage(
  db: Kysely<Schema>,
  name: string,
  version: number,
  { stage, archivesOthers }: { readonly stage: Stage; readonly archivesOthers: boolean },
): Promise<ModelVersion> {
  if (archivesOthers && !ACTIVE_STAGES.includes(stage)) {
    throw new TrainyardError(
      'INVALID_REQUEST',
      `Model version transition cannot archive existing model versions because '${stage}' is not an Active stage. Valid stages are ${ACTIVE_STAGES.join(', ')}`,
    );
  }
  return db.transaction().execute(async (trx) => {
    const modelId = await updateVersion(trx, name, version, { stage });
    if (archivesOthers) {
      await trx
        .updateTable('model_versions')
        .set({ stage: 'Archived', updated_at: sql<Date>`now()` })
        .where('model_id', '=', modelId)
        .where('version', '<>', version)
        .where('stage', '=', stage)
        .where('deleted_at', 'is', null)
        .execute();
    }
    await touchModel(trx, modelId);
    return getModelVersion(trx, name, version);
  });
}

/** With its aliases. What it was made of is forgotten; its number is not. @throws TrainyardError NOT_FOUND */
export async function deleteModelVersion(db: Kysely<Schema>, name: string, version: number): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const modelId = await updateVersion(trx, name, version, {
      deleted_at: sql<Date>`now()`,
      description: null,
      source: '',
      storage_location: '',
      run_id: null,
      run_link: null,
      user_id: null,
    });
    await trx
      .deleteFrom('model_aliases')
      .where('model_id', '=', modelId)
      .where('version', '=', version)
      .execute();
    await touchModel(trx, modelId);
  });
}

/** @throws TrainyardError NOT_FOUND */
export async function setVersionTag(
  db: Kysely<Schema>,
  name: string,
  version: number,
  tag: Tag,
): Promise<void> {
  await writeVersionTag(db, await modelOfVersion(db, name, version), version, tag);
}

/** No tag of that key is as good. @throws TrainyardError NOT_FOUND when there is no such version */
export async function deleteVersionTag(
  db: Kysely<Schema>,
  name: string,
  version: number,
  key: string,
): Promise<void> {
  await db
    .deleteFrom('model_version_tags')
    .where('model_id', '=', await modelOfVersion(db, name, version))
    .where('version', '=', version)
    .where('key', '=', key)
    .execute();
}

/** Moves the alias where another version has it. @throws TrainyardError NOT_FOUND */
export async function setModelAlias(
  db: Kysely<Schema>,
  name: string,
  alias: string,
  version: number,
): Promise<void> {
  await db
    .insertInto('model_aliases')
    .values({ model_id: await modelOfVersion(db, name, version), alias, version })
    .onConflict((conflict) => conflict.columns(['model_id', 'alias']).doUpdateSet({ version }))
    .execute();
}

/** @returns whether it was there @throws TrainyardError NOT_FOUND when there is no such model */
export async function deleteModelAlias(db: Kysely<Schema>, name: string, alias: string): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('model_aliases')
    .where('model_id', '=', await modelIdOf(db, name))
    .where('alias', '=', alias)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** @returns the id of its model @throws TrainyardError NOT_FOUND */
async function updateVersion(
  db: Kysely<Schema>,
  name: string,
  version: number,
  values: UpdateObject<Schema, 'model_versions'>,
): Promise<number> {
  const modelId = await modelOfVersion(db, name, version);
  await db
    .updateTable('model_versions')
    .set({ ...values, updated_at: sql<Date>`now()` })
    .where('model_id', '=', modelId)
    .where('version', '=', version)
    .execute();
  return modelId;
}

async function touchModel(db: Transaction<Schema>, id: number): Promise<void> {
  await db
    .updateTable('registered_models')
    .set({ updated_at: sql<Date>`now()` })
    .where('id', '=', id)
    .execute();
}

async function modelOfVersion(db: Kysely<Schema>, name: string, version: number): Promise<number> {
  const found = await db
    .selectFrom('model_versions as v')
    .innerJoin('registered_models as m', 'm.id', 'v.model_id')
    .select('m.id')
    .where('m.name', '=', name)
    .where('v.version', '=', version)
    .where('v.deleted_at', 'is', null)
    .executeTakeFirst();
  if (found === undefined) throw noVersion(name, version);
  return found.id;
}

async function writeVersionTag(
  db: Kysely<Schema>,
  modelId: number,
  version: number,
  { key, value }: Tag,
): Promise<void> {
  await db
    .insertInto('model_version_tags')
    .values({ model_id: modelId, version, key, value })
    .onConflict((conflict) => conflict.columns(['model_id', 'version', 'key']).doUpdateSet({ value }))
    .execute();
}
