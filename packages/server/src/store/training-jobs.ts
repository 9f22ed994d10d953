import {
  isId,
  newId,
  type TrainingJob,
  type TrainingJobDefinition,
  TrainyardError,
} from '@trainyard/protocol';
import { type Kysely, type Selectable, sql } from 'kysely';
import { jsonbText } from './jsonb-text.ts';
import type { Schema } from './schema.ts';
import { keepCheckpointDirUnshared } from './unshared-checkpoint-dir.ts';

/** Training jobs, registered by name. */
export interface TrainingJobStore {
  /**
   * Registers a job; one of the same name with the same content is answered as it is.
   * @throws TrainyardError CONFLICT when the name is taken, or its `checkpointDir` by another job
   */
  create(
    definition: TrainingJobDefinition,
    baseDir: string | null,
  ): Promise<{ job: TrainingJob; isNew: boolean }>;
  /** Replaces what a job says; its id and checkpoints stay. @throws TrainyardError NOT_FOUND, CONFLICT */
  replace(idOrName: string, definition: TrainingJobDefinition, baseDir: string | null): Promise<TrainingJob>;
  /** By name, from the one after `cursor` on. */
  list(query: {
    readonly cursor?: string | undefined;
    readonly limit: number;
  }): Promise<{ items: TrainingJob[]; nextCursor: string | null }>;
  find(idOrName: string): Promise<TrainingJob | undefined>;
  /** @throws TrainyardError NOT_FOUND */
  get(idOrName: string): Promise<TrainingJob>;
  /** Its checkpoints stay with their runs. @throws TrainyardError NOT_FOUND, CONFLICT while it is used */
  delete(idOrName: string): Promise<void>;
}

export function createTrainingJobStore(db: Kysely<Schema>): TrainingJobStore {
  const find = async (idOrName: string): Promise<TrainingJob | undefined> => {
    const column = isId('job', idOrName) ? 'id' : 'name';
    const row = await db
      .selectFrom('training_jobs')
      .selectAll()
      .where(column, '=', idOrName)
      .executeTakeFirst();
    return row === undefined ? undefined : toJob(row);
  };
  const get = async (idOrName: string): Promise<TrainingJob> => {
    const found = await find(idOrName);
    if (found !== undefined) return found;
    throw new TrainyardError('NOT_FOUND', `There is no training job "${idOrName}".`);
  };
  return {
    find,
    get,
    async create(definition, baseDir) {
      const row = await db.transaction().execute(async (trx) => {
        await keepCheckpointDirUnshared(trx, definition, baseDir);
        return trx
          .insertInto('training_jobs')
          .values({
            id: newId('job'),
            name: definition.name,
            definition: jsonbText(definition),
            base_dir: baseDir,
          })
          .onConflict((conflict) => conflict.column('name').doNothing())
          .returningAll()
          .executeTakeFirst();
      });
      if (row !== undefined) return { job: toJob(row), isNew: true };
      const { rows } = await sql<Row>`
        select * from training_jobs where name = ${definition.name}
          and definition = ${jsonbText(definition)}::jsonb and base_dir is not distinct from ${baseDir}`.execute(
        db,
      );
      if (rows[0] !== undefined) return { job: toJob(rows[0]), isNew: false };
      throw new TrainyardError(
        'CONFLICT',
        `There is a training job "${definition.name}" with other content; replace it, or choose another name.`,
        { details: { name: definition.name } },
      );
    },
    async replace(idOrName, definition, baseDir) {
      const { id, name } = await get(idOrName);
      if (definition.name !== name) {
        const message = `The training job is named "${name}", the file says "${definition.name}": a name does not change.`;
        throw new TrainyardError('CONFLICT', message);
      }
      const row = await db.transaction().execute(async (trx) => {
        await keepCheckpointDirUnshared(trx, definition, baseDir);
        return trx
          .updateTable('training_jobs')
          .set({ definition: jsonbText(definition), base_dir: baseDir, updated_at: sql`now()` })
          .where('id', '=', id)
          .returningAll()
          .executeTakeFirst();
      });
      return row === undefined ? get(id) : toJob(row);
    },
    async list({ cursor, limit }) {
      const rows = await db
        .selectFrom('training_jobs')
        .selectAll()
        .$if(cursor !== undefined, (query) => query.where('name', '>', cursor!))
        .orderBy('name')
        .limit(limit + 1)
        .execute();
      const items = rows.slice(0, limit).map(toJob);
      return { items, nextCursor: rows.length > limit ? items.at(-1)!.name : null };
    },
    async delete(idOrName) {
      const { id, name } = await get(idOrName);
      const active = await db
        .selectFrom('attempts')
        .select('run_id')
        .where('training_job_id', '=', id)
        .where('ended_at', 'is', null)
        .executeTakeFirst();
      if (active !== undefined) {
        const message = `Training job "${name}" cannot be deleted: run ${active.run_id} of it has not ended.`;
        throw new TrainyardError('CONFLICT', message);
      }
      await db.deleteFrom('training_jobs').where('id', '=', id).execute();
    },
  };
}

type Row = Selectable<Schema['training_jobs']>;

function toJob(row: Row): TrainingJob {
  return {
    ...row.definition,
    id: row.id,
    baseDir: row.base_dir,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
  };
}
