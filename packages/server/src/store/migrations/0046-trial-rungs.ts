import { type Kysely, sql } from 'kysely';

/** What trials had reached at the steps at which they are compared. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table trial_rungs (
      group_id text not null references runs (id) on delete cascade,
      rung bigint not null,
      run_id text not null,
      value float8 not null,
      primary key (group_id, rung, run_id)
    )`.execute(db);
}
