import { type Kysely, sql } from 'kysely';

/** Model checkpoints of all stages of a run. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create index model_checkpoints_by_root on model_checkpoints (root_id, id desc)`.execute(db);
}
