import { type Kysely, sql } from 'kysely';
import type { Schema } from '../store/schema.ts';
import { RUN_NAME_TAG } from './known-tags.ts';
import { lockTrackedRun, noTrackedRun } from './lock-tracked-run.ts';

/** Marks a run as deleted, or takes that back. @throws TrainyardError NOT_FOUND */
export async function setRunDeleted(db: Kysely<Schema>, runId: string, isDeleted: boolean): Promise<void> {
  const row = await db
    .updateTable('tracked_runs')
    // Deleted again, it keeps the time from which its removal counts.
    .set({ deleted_at: isDeleted ? sql<Date>`coalesce(deleted_at, now())` : null })
    .where('run_id', '=', runId)
    .returning('run_id')
    .executeTakeFirst();
  if (row === undefined) throw noTrackedRun(runId);
}

/** @returns whether there was one @throws TrainyardError NOT_FOUND for the run, CONFLICT when that is deleted */
export async function deleteRunTag(db: Kysely<Schema>, runId: string, key: string): Promise<boolean> {
  return db.transaction().execute(async (trx) => {
    await lockTrackedRun(trx, runId);
    const { numDeletedRows } = await trx
      .deleteFrom('run_tags')
      .where('run_id', '=', runId)
      .where('key', '=', key)
      .executeTakeFirst();
    // The tag is the name: without it the run has none.
    if (key === RUN_NAME_TAG && numDeletedRows > 0n)
      await trx.updateTable('tracked_runs').set({ name: '' }).where('run_id', '=', runId).execute();
    return numDeletedRows > 0n;
  });
}
