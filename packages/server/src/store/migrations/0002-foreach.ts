import { type Kysely, sql } from 'kysely';

/** Items of foreach stages: rows of `runs` that come while a run goes on. `json` keeps the order of the axes. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`alter table runs add column item json`.execute(db);
  await sql`
    create table tree_expansions (
      root_id text not null,
      sequence int not null,
      node int not null,
      count int not null,
      primary key (root_id, sequence)
    )`.execute(db);
}
