import { type Kysely, sql } from 'kysely';

/**
 * An attempt is stored by the owner of the run's tree, behind the run or in one transaction with it, and deleted
 * before it. The check of its foreign key looked the run up and locked its row once more for each attempt.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table attempts drop constraint attempts_run_id_fkey`.execute(db);
}
