import { type KeptRun, TrainyardError } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import type { Schema } from './schema.ts';

/** Says whether retention is to leave a root run alone. @throws TrainyardError NOT_FOUND, CONFLICT for a stage */
export async function keepTree(db: Kysely<Schema>, rootId: string, kept: boolean): Promise<KeptRun> {
  const row = await db
    .updateTable('trees')
    .set({ kept_at: kept ? sql<Date>`coalesce(kept_at, now())` : null })
    .where('root_id', '=', rootId)
    .returning('root_id')
    .executeTakeFirst();
  if (row !== undefined) return { id: rootId, kept };
  const run = await db.selectFrom('runs').select('root_id').where('id', '=', rootId).executeTakeFirst();
  if (run === undefined) throw new TrainyardError('NOT_FOUND', `There is no run ${rootId}.`);
  throw new TrainyardError('CONFLICT', `${rootId} is a stage; keep the whole run: ${run.root_id}.`);
}
