import { type Kysely, sql } from 'kysely';

/** The first lines of metrics that could not be read. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

const STATEMENTS = [
  `alter table streams add column refused_lines jsonb`,
  `create index streams_with_refused_lines on streams (run_id) where unreadable_lines > 0`,
];
