import { layersOf, type Plan } from '@trainyard/dag';
import type { RunStatus, StatusCounts } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import type { Schema } from '../../store/schema.ts';

/** Direct nodes of each DAG run by status, by the id of the run. */
export async function countNodes(
  db: Kysely<Schema>,
  rootIds: readonly string[],
): Promise<ReadonlyMap<string, StatusCounts>> {
  const { rows } = await sql<{ root_id: string; status: RunStatus; count: number }>`
    select root_id, status, count(*)::int as count from runs
    where root_id = any(${rootIds}::text[]) and parent_id = root_id group by 1, 2`.execute(db);
  const found = new Map<string, StatusCounts>();
  for (const { root_id, status, count } of rows) {
    found.set(root_id, { ...found.get(root_id), [status]: count });
  }
  return found;
}

/** Layers of the outermost level. */
export function layerCount(plan: Plan): number {
  return layersOf(plan).length;
}
