import type { Kysely } from 'kysely';
import type { Schema } from '../store/schema.ts';
import { readJsonList } from './json-list.ts';
import { lockTrackedRun } from './lock-tracked-run.ts';

const HISTORY_TAG = 'mlflow.log-model.history';

/** Appends to the list of models of a run. @throws TrainyardError NOT_FOUND, CONFLICT while the run is deleted */
export async function appendModelHistory(
  db: Kysely<Schema>,
  runId: string,
  model: Readonly<Record<string, unknown>>,
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await lockTrackedRun(trx, runId);
    const stored = await trx
      .selectFrom('run_tags')
      .select('value')
      .where('run_id', '=', runId)
      .where('key', '=', HISTORY_TAG)
      .executeTakeFirst();
    const value = JSON.stringify([...readJsonList(stored?.value), model]);
    await trx
      .insertInto('run_tags')
      .values({ run_id: runId, key: HISTORY_TAG, value })
      .onConflict((conflict) => conflict.columns(['run_id', 'key']).doUpdateSet({ value }))
      .execute();
  });
}
