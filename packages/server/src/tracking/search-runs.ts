import { type Kysely, sql } from 'kysely';
import { compileFilter } from '../search/compile-filter.ts';
import { compileOrder } from '../search/compile-order.ts';
import type { Filter, OrderBy } from '../search/filter.ts';
import { RUN_FIELDS, SEARCHED_RUNS } from '../search/run-fields.ts';
import type { Schema } from '../store/schema.ts';

/** Which of those that are deleted, and those that are not, are wanted. */
export type View = 'active' | 'deleted' | 'all';

export interface RunSearch {
  /** Null: of all experiments. */
  readonly experimentIds: readonly number[] | null;
  readonly filter: Filter | undefined;
  readonly orderBy: readonly OrderBy[];
  readonly view: View;
  readonly limit: number;
  readonly offset: number;
}

/** Ids of the runs in their order. Ties: the later start first, then by id. */
export async function searchRunIds(
  db: Kysely<Schema>,
  { experimentIds, filter, orderBy, view, limit, offset }: RunSearch,
): Promise<{ ids: string[]; hasMore: boolean }> {
  const { joins, terms } = compileOrder(orderBy, RUN_FIELDS);
  const isStartOrdered = orderBy.some(
    ({ field }) => field.group === 'attribute' && field.key === 'start_time',
  );
  const order = [...terms, ...(isStartOrdered ? [] : [sql`t.start_ms desc`]), sql`t.run_id`];
  const { rows } = await sql<{ run_id: string }>`
    select t.run_id from ${SEARCHED_RUNS} ${joins}
    where ${experimentIds === null ? sql`true` : sql`t.experiment_id = any(${experimentIds}::bigint[])`}
      and ${IN_VIEW[view](sql`t.deleted_at`)}
      and ${compileFilter(filter, RUN_FIELDS)}
    order by ${sql.join(order)} limit ${limit + 1} offset ${offset}`.execute(db);
  return { ids: rows.slice(0, limit).map((row) => row.run_id), hasMore: rows.length > limit };
}

/** By view: the condition on the instant of deletion. */
export const IN_VIEW: Readonly<
  Record<View, (deletedAt: ReturnType<typeof sql>) => ReturnType<typeof sql<boolean>>>
> = {
  active: (deletedAt) => sql`${deletedAt} is null`,
  deleted: (deletedAt) => sql`${deletedAt} is not null`,
  all: () => sql`true`,
};
