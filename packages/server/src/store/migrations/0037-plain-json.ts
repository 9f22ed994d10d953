import { type Kysely, sql } from 'kysely';

/**
 * What is written often and read as a whole is kept as the text that it comes as: to make jsonb of the spec of an
 * attempt, and text again at its claim, took the database a sixth of its time for a stage.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  'alter table attempts alter column spec type json',
  'alter table runs alter column planner type json',
  'alter table events alter column data type json',
];
