import { TRACKING_API_LIMITS } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import type { Filter } from '../search/filter.ts';
import type { Schema } from '../store/schema.ts';
import type { MeasuredRun } from './param-importance.ts';
import { searchRunIds } from './search-runs.ts';

/** Longer values are no settings that runs are told apart by. */
const MAX_VALUE_LENGTH = 250;

/** The newest runs that have the metric, with its latest value and their params. */
export async function readMeasured(
  db: Kysely<Schema>,
  wanted: {
    readonly metric: string;
    readonly experimentIds: readonly number[] | null;
    readonly filter: Filter | undefined;
  },
): Promise<MeasuredRun[]> {
  const hasMetric: Filter = { kind: 'null', field: { group: 'metric', key: wanted.metric }, isNegated: true };
  const filter: Filter =
    wanted.filter === undefined ? hasMetric : { kind: 'and', clauses: [hasMetric, wanted.filter] };
  const { ids } = await searchRunIds(db, {
    experimentIds: wanted.experimentIds,
    filter,
    orderBy: [],
    view: 'active',
    limit: TRACKING_API_LIMITS.maxRows,
    offset: 0,
  });
  const { rows } = await sql<{ value: number; params: Record<string, string> | null }>`
    select m.last_value as value, (select json_object_agg(p.key, p.value) from run_params p
      where p.run_id = m.run_id and length(p.value) <= ${MAX_VALUE_LENGTH}) as params
    from metric_series m where m.run_id = any(${ids}::text[]) and m.key = ${wanted.metric}
      and m.last_value not in ('NaN', 'Infinity', '-Infinity')`.execute(db);
  return rows.map(({ value, params }) => ({ value, params: new Map(Object.entries(params ?? {})) }));
}
