import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { Schema } from '../store/schema.ts';
import { isUniqueViolation } from '../store/unique-violation.ts';
import type { Tag } from '../tracking/experiments.ts';
import { modelIdOf, noModel } from './model-id.ts';
import { type ModelVersion, toVersion, VERSION_COLUMNS, type VersionRow } from './read-versions.ts';

export interface RegisteredModel {
  readonly id: number;
  readonly name: string;
  readonly description: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly tags: readonly Tag[];
  readonly aliases: readonly { readonly alias: string; readonly version: number }[];
  /** The highest version of each stage. */
  readonly latestVersions: readonly ModelVersion[];
}

/** @returns undefined when the name is taken */
export async function createRegisteredModel(
  db: Kysely<Schema>,
  input: { readonly name: string; readonly description: string | null; readonly tags: readonly Tag[] },
): Promise<RegisteredModel | undefined> {
  return db.transaction().execute(async (trx) => {
    const created = await trx
      .insertInto('registered_models')
      .values({ name: input.name, description: input.description })
      .onConflict((conflict) => conflict.column('name').doNothing())
      .returning('id')
      .executeTakeFirst();
    if (created === undefined) return undefined;
    for (const tag of input.tags) await writeModelTag(trx, created.id, tag);
    return getRegisteredModel(trx, input.name);
  });
}

/** @throws TrainyardError NOT_FOUND */
export async function getRegisteredModel(db: Kysely<Schema>, name: string): Promise<RegisteredModel> {
  const [found] = await readRegisteredModels(db, sql`m.name = ${name}`, sql`m.id`, { limit: 1, offset: 0 });
  if (found === undefined) throw noModel(name);
  return found;
}

/** Those of a condition on `registered_models m`, with all that is shown of them. */
export async function readRegisteredModels(
  db: Kysely<Schema>,
  where: RawBuilder<boolean>,
  order: RawBuilder<unknown>,
  page: { readonly limit: number; readonly offset: number },
): Promise<RegisteredModel[]> {
  const { rows } = await sql<ModelRow>`
    select m.id, m.name, m.description, m.created_at, m.updated_at,
      coalesce((select json_agg(json_build_object('key', t.key, 'value', t.value) order by t.key)
        from registered_model_tags t where t.model_id = m.id), '[]') as tags,
      coalesce((select json_agg(json_build_object('alias', a.alias, 'version', a.version) order by a.alias)
        from model_aliases a where a.model_id = m.id), '[]') as aliases
    from registered_models m where ${where}
    order by ${order} limit ${page.limit} offset ${page.offset}`.execute(db);
  const { rows: latest } = await sql<VersionRow>`
    select ${VERSION_COLUMNS} from (
      select distinct on (model_id, stage) * from model_versions
      where model_id = any(${rows.map(({ id }) => id)}::bigint[]) and deleted_at is null
      order by model_id, stage, version desc) v
    join registered_models m on m.id = v.model_id order by v.version desc`.execute(db);
  const latestOf = Map.groupBy(latest.map(toVersion), ({ modelName }) => modelName);
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    description: row.description,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    tags: row.tags,
    aliases: row.aliases,
    latestVersions: latestOf.get(row.name) ?? [],
  }));
}

interface ModelRow {
  readonly id: number;
  readonly name: string;
  readonly description: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly tags: Tag[];
  readonly aliases: { alias: string; version: number }[];
}

/** @throws TrainyardError NOT_FOUND */
export async function describeRegisteredModel(
  db: Kysely<Schema>,
  name: string,
  description: string | null,
): Promise<RegisteredModel> {
  const id = await modelIdOf(db, name);
  await db
    .updateTable('registered_models')
    .set({ description, updated_at: sql<Date>`now()` })
    .where('id', '=', id)
    .execute();
  return getRegisteredModel(db, name);
}

/** @returns undefined when another one has the name @throws TrainyardError NOT_FOUND */
export async function renameRegisteredModel(
  db: Kysely<Schema>,
  name: string,
  newName: string,
): Promise<RegisteredModel | undefined> {
  try {
    return await db.transaction().execute(async (trx) => {
      const id = await modelIdOf(trx, name);
      const updated = { updated_at: sql<Date>`now()` };
      await trx
        .updateTable('registered_models')
        .set({ name: newName, ...updated })
        .where('id', '=', id)
        .execute();
      await trx
        .updateTable('model_versions')
        .set(updated)
        .where('model_id', '=', id)
        .where('deleted_at', 'is', null)
        .execute();
      return getRegisteredModel(trx, newName);
    });
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    return undefined;
  }
}

/** With all its versions, aliases and tags; files stay where they are. @throws TrainyardError NOT_FOUND */
export async function deleteRegisteredModel(db: Kysely<Schema>, name: string): Promise<void> {
  const { numDeletedRows } = await db
    .deleteFrom('registered_models')
    .where('name', '=', name)
    .executeTakeFirst();
  if (numDeletedRows === 0n) throw noModel(name);
}

/** @throws TrainyardError NOT_FOUND */
export async function setModelTag(db: Kysely<Schema>, name: string, tag: Tag): Promise<void> {
  await writeModelTag(db, await modelIdOf(db, name), tag);
}

/** No tag of that key is as good. @throws TrainyardError NOT_FOUND when there is no such model */
export async function deleteModelTag(db: Kysely<Schema>, name: string, key: string): Promise<void> {
  const id = await modelIdOf(db, name);
  await db.deleteFrom('registered_model_tags').where('model_id', '=', id).where('key', '=', key).execute();
}

async function writeModelTag(db: Kysely<Schema>, id: number, { key, value }: Tag): Promise<void> {
  await db
    .insertInto('registered_model_tags')
    .values({ model_id: id, key, value })
    .onConflict((conflict) => conflict.columns(['model_id', 'key']).doUpdateSet({ value }))
    .execute();
}
