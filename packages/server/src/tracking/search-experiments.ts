import { type Kysely, sql } from 'kysely';
import { compileFilter } from '../search/compile-filter.ts';
import { compileOrder } from '../search/compile-order.ts';
import { EXPERIMENT_FIELDS, EXPERIMENT_ORDER } from '../search/experiment-fields.ts';
import type { Filter, OrderBy } from '../search/filter.ts';
import type { Schema } from '../store/schema.ts';
import { EXPERIMENT_COLUMNS, type Experiment, type ExperimentRow, toExperiment } from './experiments.ts';
import { IN_VIEW, type View } from './search-runs.ts';

export interface ExperimentSearch {
  readonly filter: Filter | undefined;
  readonly orderBy: readonly OrderBy[];
  readonly view: View;
  readonly limit: number;
  readonly offset: number;
}

/** Without an order the newest first and ties by id; with one, ties by id from the last on, as MLflow has it. */
export async function searchExperiments(
  db: Kysely<Schema>,
  { filter, orderBy, view, limit, offset }: ExperimentSearch,
): Promise<{ experiments: Experiment[]; hasMore: boolean }> {
  const { terms } = compileOrder(orderBy.length === 0 ? NEWEST_FIRST : orderBy, EXPERIMENT_ORDER);
  const tie = orderBy.length === 0 ? sql`e.id` : sql`e.id desc`;
  const order = [...terms, tie];
  const { rows } = await sql<ExperimentRow>`
    select ${EXPERIMENT_COLUMNS} from experiments e
    where ${IN_VIEW[view](sql`e.deleted_at`)}
      and ${compileFilter(filter, EXPERIMENT_FIELDS)}
    order by ${sql.join(order)} limit ${limit + 1} offset ${offset}`.execute(db);
  return { experiments: rows.slice(0, limit).map(toExperiment), hasMore: rows.length > limit };
}

const NEWEST_FIRST: readonly OrderBy[] = [
  { field: { group: 'attribute', key: 'creation_time' }, isDescending: true },
];
