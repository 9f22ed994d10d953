import { type Kysely, sql } from 'kysely';
import type { Schema } from './schema.ts';

/** The outermost run around this one that is paused, unless it is this one. */
export async function pausedAround(
  db: Kysely<Schema>,
  { rootId, path }: { readonly rootId: string; readonly path: string },
): Promise<string | undefined> {
  const { rows } = await sql<{ id: string }>`
    select id from runs
    where root_id = ${rootId} and ended_at is null and (planner ->> 'isHeld')::boolean
      and path <> ${path} and (path = '' or starts_with(${path}, path || '/') or starts_with(${path}, path || '['))
    order by depth limit 1`.execute(db);
  return rows[0]?.id;
}

export function standsStill(around: string): string {
  return `It stands still because ${around} around it is paused; resume that one.`;
}
