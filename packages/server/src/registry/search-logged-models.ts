import { type Kysely, sql } from 'kysely';
import { compileFilter } from '../search/compile-filter.ts';
import { compileOrder } from '../search/compile-order.ts';
import type { Filter, OrderBy } from '../search/filter.ts';
import {
  loggedModelFields,
  loggedModelOrder,
  type MetricDataset,
  ofDatasets,
} from '../search/logged-model-fields.ts';
import type { Schema } from '../store/schema.ts';
import { type LoggedModel, readLoggedModels } from './logged-models.ts';

export interface LoggedModelSearch {
  readonly experimentIds: readonly number[];
  readonly filter: Filter | undefined;
  /** Only metrics on one of these count, and a model without any such is not found. */
  readonly datasets: readonly MetricDataset[];
  readonly orderBy: readonly (OrderBy & { readonly dataset?: MetricDataset })[];
  readonly limit: number;
  readonly offset: number;
}

/** The newest first, unless another order is asked for; ties by the newest, then by id. */
export async function searchLoggedModels(
  db: Kysely<Schema>,
  { experimentIds, filter, datasets, orderBy, limit, offset }: LoggedModelSearch,
): Promise<{ items: LoggedModel[]; hasMore: boolean }> {
  const source = loggedModelOrder((field) => orderBy.find((order) => order.field === field)?.dataset);
  const { joins, terms } = compileOrder(orderBy, source);
  const hasDatasets = sql`exists (select from logged_model_metrics x where x.model_id = l.id and ${ofDatasets(datasets)})`;
  const where = sql<boolean>`l.experiment_id = any(${experimentIds}::bigint[]) and l.deleted_at is null
    and ${compileFilter(filter, loggedModelFields(datasets))}
    and ${datasets.length === 0 ? sql`true` : hasDatasets}`;
  const found = await readLoggedModels(db, where, {
    joins,
    order: sql.join([...terms, sql`l.created_at desc`, sql`l.id`]),
    limit: limit + 1,
    offset,
  });
  return { items: found.slice(0, limit), hasMore: found.length > limit };
}
