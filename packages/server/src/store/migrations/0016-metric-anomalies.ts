import { type Kysely, sql } from 'kysely';

/** What status files of jobs said was wrong, by step. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `create table metric_anomalies (
    run_id text not null,
    step bigint not null,
    reason text,
    primary key (run_id, step)
  )`,
  // Compaction reads all chunks of a series anyway, and every append paid for it.
  `drop index metric_chunks_small`,
];
