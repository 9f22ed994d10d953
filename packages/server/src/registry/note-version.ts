import type { Kysely } from 'kysely';
import type { Schema } from '../store/schema.ts';
import { readJsonList } from '../tracking/json-list.ts';
import { noLoggedModel, writeLoggedTags } from './logged-models.ts';

/** On a logged model: the versions that were made of it. */
const VERSIONS_TAG = 'mlflow.modelVersions';

/** Adds a version to the list of those that were made of a logged model. @throws TrainyardError NOT_FOUND */
export async function noteVersion(
  db: Kysely<Schema>,
  loggedModelId: string,
  made: { readonly modelName: string; readonly version: number },
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    // Locked, so that of versions that are made at once each finds those before it.
    const model = await trx
      .selectFrom('logged_models')
      .select('id')
      .where('id', '=', loggedModelId)
      .where('deleted_at', 'is', null)
      .forNoKeyUpdate()
      .executeTakeFirst();
    if (model === undefined) throw noLoggedModel(loggedModelId);
    const noted = await trx
      .selectFrom('logged_model_tags')
      .select('value')
      .where('model_id', '=', loggedModelId)
      .where('key', '=', VERSIONS_TAG)
      .executeTakeFirst();
    const versions = [...readJsonList(noted?.value), { name: made.modelName, version: made.version }];
    await writeLoggedTags(trx, loggedModelId, [{ key: VERSIONS_TAG, value: JSON.stringify(versions) }]);
  });
}
