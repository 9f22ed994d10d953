import { MLFLOW_STATUS_OF } from '@trainyard/protocol';
import { sql } from 'kysely';
import type { FieldSource, Value } from './compile-filter.ts';
import type { OrderSource } from './compile-order.ts';
import type { Field } from './filter.ts';
import { SEARCHABLE } from './searchable.ts';

/** What the conditions and orders below are about. Joins that a search does not use, PostgreSQL leaves out. */
export const SEARCHED_RUNS = sql`tracked_runs t
  left join runs r on r.id = t.run_id
  left join experiments e on e.id = t.experiment_id`;

const statusCases = Object.entries(MLFLOW_STATUS_OF).map(
  ([ours, theirs]) => sql`when ${sql.lit(ours)} then ${sql.lit(theirs)}`,
);

const ATTRIBUTES: Readonly<Record<keyof typeof SEARCHABLE.runs.attributes, Value>> = {
  run_id: sql`t.run_id`,
  run_name: sql`t.name`,
  status: sql`case r.status ${sql.join(statusCases, sql` `)} end`,
  state: sql`r.status`,
  user_id: sql`t.user_id`,
  artifact_uri: sql`coalesce(t.artifact_uri,
    rtrim(coalesce(e.artifact_location, 'mlflow-artifacts:/' || e.id), '/') || '/' || t.run_id || '/artifacts')`,
  start_time: sql`t.start_ms`,
  end_time: sql`case when r.kind = 'external' then t.end_ms
    else (extract(epoch from r.ended_at) * 1000)::bigint end`,
};

/** Where values by key are: of metrics the latest one. */
export const KEYED_RUN_FIELDS = {
  metric: { table: 'metric_series', value: 'last_value' },
  param: { table: 'run_params', value: 'value' },
  tag: { table: 'run_tags', value: 'value' },
} as const;

const attribute = (key: string): Value => ATTRIBUTES[key as keyof typeof ATTRIBUTES];

export const RUN_FIELDS: FieldSource & OrderSource = {
  searchable: SEARCHABLE.runs,
  attribute,
  alwaysThere: ['run_id', 'run_name', 'user_id', 'start_time'],
  exists(field, test) {
    if (field.group === 'dataset') return existsDataset(field, test);
    const { table, value } = KEYED_RUN_FIELDS[field.group as keyof typeof KEYED_RUN_FIELDS];
    return sql`exists (select from ${sql.table(table)} x
      where x.run_id = t.run_id and x.key = ${field.key} and ${test(sql.ref(`x.${value}`))})`;
  },
  join(field, alias) {
    const { table, value } = KEYED_RUN_FIELDS[field.group as keyof typeof KEYED_RUN_FIELDS];
    return sql`left join (select run_id, ${sql.ref(value)} as value from ${sql.table(table)} where key = ${field.key})
      ${sql.id(alias)} on ${sql.id(alias)}.run_id = t.run_id`;
  },
};

/** The context is a tag of the use, not of the dataset. */
function existsDataset({ key }: Field, test: Parameters<FieldSource['exists']>[1]) {
  if (key !== 'context') {
    return sql<boolean>`exists (select from run_inputs i join tracked_datasets d on d.id = i.dataset_id
      where i.run_id = t.run_id and ${test(sql.ref(`d.${key}`))})`;
  }
  return sql<boolean>`exists (select from run_inputs i
    cross join lateral jsonb_to_recordset(i.tags) as c(key text, value text)
    where i.run_id = t.run_id and c.key = 'mlflow.data.context' and ${test(sql`c.value`)})`;
}
