import { sql } from 'kysely';
import type { FieldSource, Value } from './compile-filter.ts';
import type { OrderSource } from './compile-order.ts';
import { SEARCHABLE } from './searchable.ts';

const noJoin: OrderSource['join'] = () => sql``;

const MODEL: Readonly<Record<keyof typeof SEARCHABLE.registeredModels.attributes, Value>> = {
  name: sql`m.name`,
  creation_timestamp: sql`floor(extract(epoch from m.created_at) * 1000)::bigint`,
  last_updated_timestamp: sql`floor(extract(epoch from m.updated_at) * 1000)::bigint`,
};

/** Of `registered_models m`. */
export const MODEL_FIELDS: FieldSource & OrderSource = {
  searchable: SEARCHABLE.registeredModels,
  attribute: (key) => MODEL[key as keyof typeof MODEL],
  alwaysThere: Object.keys(MODEL),
  exists: ({ key }, test) => sql`exists (select from registered_model_tags x
    where x.model_id = m.id and x.key = ${key} and ${test(sql`x.value`)})`,
  join: noJoin,
};

const VERSION: Readonly<Record<keyof typeof SEARCHABLE.modelVersions.attributes, Value>> = {
  name: sql`m.name`,
  version_number: sql`v.version`,
  run_id: sql`v.run_id`,
  source_path: sql`v.source`,
  creation_timestamp: sql`floor(extract(epoch from v.created_at) * 1000)::bigint`,
  last_updated_timestamp: sql`floor(extract(epoch from v.updated_at) * 1000)::bigint`,
};

/** Of `model_versions v` of `registered_models m`. */
export const VERSION_FIELDS: FieldSource & OrderSource = {
  searchable: SEARCHABLE.modelVersions,
  attribute: (key) => VERSION[key as keyof typeof VERSION],
  alwaysThere: Object.keys(VERSION).filter((key) => key !== 'run_id'),
  exists: ({ key }, test) => sql`exists (select from model_version_tags x
    where x.model_id = v.model_id and x.version = v.version and x.key = ${key} and ${test(sql`x.value`)})`,
  join: noJoin,
};
