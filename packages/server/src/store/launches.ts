import type { Launch, LaunchState } from '@trainyard/protocol';
import type { Kysely, Selectable } from 'kysely';
import type { LaunchesTable } from './automation-schema.ts';
import type { Schema } from './schema.ts';

export interface LaunchQuery {
  readonly state?: LaunchState | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

/** Planned runs of a schedule or a backfill, the latest first: those of a backfill were stored in their order. */
export async function listLaunches(
  kysely: Kysely<Schema>,
  ownerId: string,
  { state, cursor, limit }: LaunchQuery,
): Promise<{ items: Launch[]; nextCursor: string | null }> {
  let select = kysely
    .selectFrom('launches')
    .selectAll()
    .where('owner_id', '=', ownerId)
    .orderBy('id', 'desc')
    .limit(limit + 1);
  if (state !== undefined) select = select.where('state', '=', state);
  if (cursor !== undefined) select = select.where('id', '<', Number(cursor) || 0);
  const rows = await select.execute();
  const items = rows.slice(0, limit).map(toLaunch);
  return { items, nextCursor: rows.length > limit ? items[items.length - 1]!.id : null };
}

export function toLaunch(row: Selectable<LaunchesTable>): Launch {
  return {
    id: String(row.id),
    at: row.at.toISOString(),
    state: row.state,
    reason: row.reason,
    runId: row.run_id,
    runStatus: row.run_status,
    isManual: row.is_manual,
    createdAt: row.created_at.toISOString(),
  };
}
