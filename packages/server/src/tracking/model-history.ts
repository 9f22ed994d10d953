import { type Kysely, sql } from 'kysely';
import type { Schema } from '../store/schema.ts';
import { noTrackedRun, runIsDeleted } from './update-run.ts';

const HISTORY_TAG = 'mlflow.log-model.history';

/** Appends to the list of models of a run. @throws TrainyardError NOT_FOUND, CONFLICT while the run is deleted */
export async function appendModelHistory(
  db: Kysely<Schema>,
  runId: string,
  model: Readonly<Record<string, unknown>>,
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ isDeleted: boolean; history: string | null }>`
      select t.deleted_at is not null as "isDeleted",
        (select value from run_tags g where g.run_id = t.run_id and g.key = ${HISTORY_TAG}) as history
      from tracked_runs t where t.run_id = ${runId} for no key update of t`.execute(trx);
    const [run] = rows;
    if (run === undefined) throw noTrackedRun(runId);
    if (run.isDeleted) throw runIsDeleted(runId);
    const value = JSON.stringify([...readHistory(run.history), model]);
    await trx
      .insertInto('run_tags')
      .values({ run_id: runId, key: HISTORY_TAG, value })
      .onConflict((conflict) => conflict.columns(['run_id', 'key']).doUpdateSet({ value }))
      .execute();
  });
}

/** Somebody may have set the tag to anything. */
function readHistory(text: string | null): unknown[] {
  if (text === null) return [];
  try {
    const read: unknown = JSON.parse(text);
    return Array.isArray(read) ? read : [];
  } catch {
    return [];
  }
}
