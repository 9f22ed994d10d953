import { sql } from 'kysely';
import type { FieldSource, Value } from './compile-filter.ts';
import type { OrderSource } from './compile-order.ts';
import { SEARCHABLE } from './searchable.ts';

const ATTRIBUTES: Readonly<Record<keyof typeof SEARCHABLE.experiments.attributes, Value>> = {
  name: sql`e.name`,
  experiment_id: sql`e.id::text`,
  creation_time: sql`floor(extract(epoch from e.created_at) * 1000)::bigint`,
  last_update_time: sql`floor(extract(epoch from e.updated_at) * 1000)::bigint`,
};

const attribute = (key: string): Value => ATTRIBUTES[key as keyof typeof ATTRIBUTES];

/** Of `experiments e`. */
export const EXPERIMENT_FIELDS: FieldSource = {
  attribute,
  exists: (field, test) => sql`exists (select from experiment_tags x
    where x.experiment_id = e.id and x.key = ${field.key} and ${test(sql`x.value`)})`,
};

export const EXPERIMENT_ORDER: OrderSource = {
  searchable: SEARCHABLE.experiments,
  // Ids are texts to compare with, and numbers to order by.
  attribute: (key) => (key === 'experiment_id' ? sql`lpad(e.id::text, 19, '0')` : attribute(key)),
  alwaysThere: Object.keys(ATTRIBUTES),
  join: () => sql``,
};
