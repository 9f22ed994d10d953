import { type RawBuilder, sql } from 'kysely';
import type { FieldSource, Value } from './compile-filter.ts';
import type { OrderSource } from './compile-order.ts';
import type { Field } from './filter.ts';
import { SEARCHABLE } from './searchable.ts';

const ATTRIBUTES: Readonly<Record<keyof typeof SEARCHABLE.loggedModels.attributes, Value>> = {
  name: sql`l.name`,
  model_id: sql`l.id`,
  model_type: sql`l.model_type`,
  status: sql`replace(l.status, 'LOGGED_MODEL_', '')`,
  source_run_id: sql`l.source_run_id`,
  experiment_id: sql`l.experiment_id::text`,
  creation_timestamp: sql`floor(extract(epoch from l.created_at) * 1000)::bigint`,
  last_updated_timestamp: sql`floor(extract(epoch from l.updated_at) * 1000)::bigint`,
};
const TABLES = {
  param: 'logged_model_params',
  tag: 'logged_model_tags',
  metric: 'logged_model_metrics',
} as const;

/** A dataset that metrics have to be of. */
export interface MetricDataset {
  readonly name: string;
  readonly digest: string | undefined;
}

const attribute = (key: string): Value => ATTRIBUTES[key as keyof typeof ATTRIBUTES];

/** Of `logged_models l`; with datasets, only metrics on one of them count. */
export function loggedModelFields(datasets: readonly MetricDataset[]): FieldSource {
  return {
    attribute,
    exists: (
      { group, key },
      test,
    ) => sql`exists (select from ${sql.table(TABLES[group as keyof typeof TABLES])} x
      where x.model_id = l.id and x.key = ${key} and ${test(sql`x.value`)}
        and ${group === 'metric' ? ofDatasets(datasets) : sql`true`})`,
  };
}

/** Condition on the metrics `x`. */
export function ofDatasets(datasets: readonly MetricDataset[]): RawBuilder<boolean> {
  if (datasets.length === 0) return sql`true`;
  const each = datasets.map(
    ({ name, digest }) =>
      sql`(x.dataset_name = ${name} and ${digest === undefined ? sql`true` : sql`x.dataset_digest = ${digest}`})`,
  );
  return sql`(${sql.join(each, sql` or `)})`;
}

/** @param datasetOf the dataset that a metric is ordered by, where one is named */
export function loggedModelOrder(datasetOf: (field: Field) => MetricDataset | undefined): OrderSource {
  return {
    searchable: SEARCHABLE.loggedModels,
    attribute,
    alwaysThere: [
      'name',
      'model_id',
      'status',
      'experiment_id',
      'creation_timestamp',
      'last_updated_timestamp',
    ],
    join(field, alias) {
      const dataset = datasetOf(field);
      const isMetric = field.group === 'metric';
      return sql`left join lateral (
        select x.value from ${sql.table(TABLES[field.group as keyof typeof TABLES])} x
        where x.model_id = l.id and x.key = ${field.key}
          and ${isMetric && dataset !== undefined ? ofDatasets([dataset]) : sql`true`}
        ${isMetric ? sql`order by x.time_ms desc, x.step desc, x.run_id` : sql``} limit 1) ${sql.id(alias)} on true`;
    },
  };
}
