import { TrainyardError } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import type { Schema } from '../store/schema.ts';
import { isUniqueViolation } from '../store/unique-violation.ts';

export interface Experiment {
  readonly id: number;
  readonly name: string;
  /** Null: the server keeps the artifacts of its runs itself. */
  readonly artifactLocation: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly deletedAt: Date | null;
  readonly tags: readonly Tag[];
}

export interface Tag {
  readonly key: string;
  readonly value: string;
}

/** @returns undefined when the name is taken, by a deleted one too */
export async function createExperiment(
  db: Kysely<Schema>,
  input: { readonly name: string; readonly artifactLocation: string | null; readonly tags: readonly Tag[] },
): Promise<number | undefined> {
  return db.transaction().execute(async (trx) => {
    const created = await trx
      .insertInto('experiments')
      .values({ name: input.name, artifact_location: input.artifactLocation })
      .onConflict((conflict) => conflict.column('name').doNothing())
      .returning('id')
      .executeTakeFirst();
    if (created !== undefined) await writeExperimentTags(trx, created.id, input.tags);
    return created?.id;
  });
}

export async function findExperiment(
  db: Kysely<Schema>,
  by: { readonly id: number } | { readonly name: string },
): Promise<Experiment | undefined> {
  const where = 'id' in by ? sql<boolean>`e.id = ${by.id}` : sql<boolean>`e.name = ${by.name}`;
  const { rows } =
    await sql<ExperimentRow>`select ${EXPERIMENT_COLUMNS} from experiments e where ${where}`.execute(db);
  return rows[0] === undefined ? undefined : toExperiment(rows[0]);
}

/** @throws TrainyardError NOT_FOUND */
export async function getExperiment(db: Kysely<Schema>, id: number): Promise<Experiment> {
  const found = await findExperiment(db, { id });
  if (found === undefined) throw noExperiment(id);
  return found;
}

/** @throws TrainyardError NOT_FOUND, CONFLICT when it is deleted */
export async function getActiveExperiment(db: Kysely<Schema>, id: number): Promise<Experiment> {
  const found = await getExperiment(db, id);
  if (found.deletedAt !== null) throw experimentIsDeleted(id);
  return found;
}

export function noExperiment(id: number): TrainyardError {
  return new TrainyardError('NOT_FOUND', `No Experiment with id=${id} exists`);
}

export function experimentIsDeleted(id: number): TrainyardError {
  const message = `The experiment ${id} must be in the 'active' state. Current state is deleted.`;
  return new TrainyardError('CONFLICT', message);
}

/** Marks it and its runs as deleted, or takes both back. @throws TrainyardError NOT_FOUND */
export async function setExperimentDeleted(
  db: Kysely<Schema>,
  id: number,
  isDeleted: boolean,
): Promise<void> {
  const deletedAt = isDeleted ? sql<Date>`now()` : null;
  await db.transaction().execute(async (trx) => {
    await getExperiment(trx, id);
    await trx
      .updateTable('experiments')
      .set({ deleted_at: deletedAt, updated_at: sql<Date>`now()` })
      .where('id', '=', id)
      .execute();
    await trx
      .updateTable('tracked_runs')
      .set({ deleted_at: deletedAt })
      .where('experiment_id', '=', id)
      .where('deleted_at', isDeleted ? 'is' : 'is not', null)
      .execute();
  });
}

/** @returns false when another one has the name */
export async function renameExperiment(db: Kysely<Schema>, id: number, name: string): Promise<boolean> {
  try {
    await db
      .updateTable('experiments')
      .set({ name, updated_at: sql<Date>`now()` })
      .where('id', '=', id)
      .execute();
    return true;
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    return false;
  }
}

export async function setExperimentTag(db: Kysely<Schema>, id: number, tag: Tag): Promise<void> {
  await writeExperimentTags(db, id, [tag]);
  await db.updateTable('experiments').set({ updated_at: sql<Date>`now()` }).where('id', '=', id).execute();
}

/** @returns whether it was there */
export async function deleteExperimentTag(db: Kysely<Schema>, id: number, key: string): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('experiment_tags')
    .where('experiment_id', '=', id)
    .where('key', '=', key)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** The later of two tags of one key counts. */
async function writeExperimentTags(db: Kysely<Schema>, id: number, tags: readonly Tag[]): Promise<void> {
  const last = new Map(tags.map(({ key, value }) => [key, value]));
  if (last.size === 0) return;
  await db
    .insertInto('experiment_tags')
    .values([...last].map(([key, value]) => ({ experiment_id: id, key, value })))
    .onConflict((conflict) =>
      conflict.columns(['experiment_id', 'key']).doUpdateSet((row) => ({ value: row.ref('excluded.value') })),
    )
    .execute();
}

/** For queries of others over `experiments e`. */
export const EXPERIMENT_COLUMNS = sql`e.id, e.name, e.artifact_location, e.created_at, e.updated_at, e.deleted_at,
  coalesce((select json_agg(json_build_object('key', t.key, 'value', t.value) order by t.key)
    from experiment_tags t where t.experiment_id = e.id), '[]') as tags`;

export interface ExperimentRow {
  readonly id: number;
  readonly name: string;
  readonly artifact_location: string | null;
  readonly created_at: Date;
  readonly updated_at: Date;
  readonly deleted_at: Date | null;
  readonly tags: Tag[];
}

export function toExperiment(row: ExperimentRow): Experiment {
  return {
    id: row.id,
    name: row.name,
    artifactLocation: row.artifact_location,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    deletedAt: row.deleted_at,
    tags: row.tags,
  };
}
