import { type Kysely, sql } from 'kysely';

/** Chunks of streams may be compressed; those that are there are plain. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table stream_chunks add column codec smallint not null default 0`.execute(db);
}
