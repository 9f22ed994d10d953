import { createHash } from 'node:crypto';
import {
  PIPELINE_LIMITS,
  type PipelineVersion,
  type PipelineVersionInfo,
  type PipelineVersionRef,
  type RegisteredPipeline,
  TrainyardError,
} from '@trainyard/protocol';
import { type Selectable, sql, type Transaction } from 'kysely';
import type { Database } from './database.ts';
import { insertDefinition } from './definitions.ts';
import type { PipelinesTable, PipelineVersionsTable } from './pipelines-schema.ts';
import type { Schema } from './schema.ts';

/** What a version is made of; the definition is checked. */
export interface PipelineContent {
  readonly name: string;
  readonly description: string | null;
  readonly source: string;
  /** For display: with defaults filled in. */
  readonly definition: unknown;
  readonly baseDir: string | null;
  readonly fileName: string | null;
  /** Names of the registered pipelines that it uses. */
  readonly uses: readonly string[];
  readonly note: string | null;
  readonly createdBy: string | null;
}

/** Pipelines that are registered by name, in versions that never change. */
export interface PipelineStore {
  /**
   * Adds a version, unless the newest one has the same text and directory: then that one is answered, and
   * nothing but an end of the archiving is written.
   * @throws TrainyardError CONFLICT when `expectedVersion` is not the newest
   */
  register(
    content: PipelineContent,
    expectedVersion?: number,
  ): Promise<{ version: PipelineVersionInfo; isNew: boolean }>;
  /** By name, from the one after `cursor` on. */
  list(query: {
    readonly archived: boolean;
    readonly cursor?: string | undefined;
    readonly limit: number;
  }): Promise<{ items: RegisteredPipeline[]; nextCursor: string | null }>;
  /** @throws TrainyardError NOT_FOUND */
  get(name: string): Promise<RegisteredPipeline>;
  /** Newest first, from the one before `cursor` on. @throws TrainyardError NOT_FOUND */
  versions(
    name: string,
    query: { readonly cursor?: number | undefined; readonly limit: number },
  ): Promise<{ items: PipelineVersionInfo[]; nextCursor: string | null }>;
  /** @throws TrainyardError NOT_FOUND naming the versions there are */
  find(name: string, version: PipelineVersionRef): Promise<PipelineVersion>;
  /** As `find`, for a new run. @throws TrainyardError NOT_FOUND, CONFLICT when it is archived */
  findForRun(name: string, version: PipelineVersionRef): Promise<PipelineVersion>;
  /** The run that an idempotency key has started for the same request. */
  runByKey(key: string, requestSha256: string): Promise<{ id: string; version: number } | undefined>;
  archive(name: string): Promise<RegisteredPipeline>;
  /** @throws TrainyardError NOT_FOUND, CONFLICT when a run, another pipeline, a trigger or a schedule uses it */
  delete(name: string): Promise<void>;
}

export function createPipelineStore({ kysely }: Database): PipelineStore {
  const get = async (name: string): Promise<RegisteredPipeline> => {
    const row = await kysely.selectFrom('pipelines').selectAll().where('name', '=', name).executeTakeFirst();
    if (row === undefined) throw notFound(name);
    return toPipeline(row);
  };
  const find = async (name: string, wanted: PipelineVersionRef): Promise<PipelineVersion> => {
    const select = versionRows(kysely).select(['d.source', 'd.definition']).where('v.name', '=', name);
    const row = await (wanted === 'latest'
      ? select.orderBy('v.version', 'desc').limit(1)
      : select.where('v.version', '=', wanted)
    ).executeTakeFirst();
    if (row !== undefined) return { ...toVersion(row), source: row.source, definition: row.definition };
    const { latestVersion } = await get(name);
    throw new TrainyardError(
      'NOT_FOUND',
      `Pipeline "${name}" has no version ${wanted}; the newest is ${latestVersion}.`,
    );
  };
  return {
    register: (content, expectedVersion) =>
      kysely.transaction().execute((trx) => register(trx, content, expectedVersion)),
    async list({ archived, cursor, limit }) {
      let select = kysely
        .selectFrom('pipelines')
        .selectAll()
        .orderBy('name')
        .limit(limit + 1);
      if (!archived) select = select.where('archived_at', 'is', null);
      if (cursor !== undefined) select = select.where('name', '>', cursor);
      const rows = await select.execute();
      const items = rows.slice(0, limit).map(toPipeline);
      return { items, nextCursor: rows.length > limit ? items[items.length - 1]!.name : null };
    },
    get,
    async versions(name, { cursor, limit }) {
      let select = versionRows(kysely)
        .where('v.name', '=', name)
        .orderBy('v.version', 'desc')
        .limit(limit + 1);
      if (cursor !== undefined) select = select.where('v.version', '<', cursor);
      const rows = await select.execute();
      if (rows.length === 0) await get(name);
      const items = rows.slice(0, limit).map(toVersion);
      return { items, nextCursor: rows.length > limit ? String(items[items.length - 1]!.version) : null };
    },
    find,
    async findForRun(name, version) {
      const found = await find(name, version);
      const { archivedAt } = await get(name);
      if (archivedAt === null) return found;
      const message = `Pipeline "${name}" was archived at ${archivedAt}; register it again to use it.`;
      throw new TrainyardError('CONFLICT', message);
    },
    async runByKey(key, requestSha256) {
      const row = await kysely
        .selectFrom('trees')
        .select(['root_id', 'pipeline_version'])
        .where('idempotency_key', '=', key)
        .where('request_sha256', '=', requestSha256)
        .executeTakeFirst();
      if (row === undefined || row.pipeline_version === null) return undefined;
      return { id: row.root_id, version: row.pipeline_version };
    },
    async archive(name) {
      const row = await kysely
        .updateTable('pipelines')
        .set({ archived_at: sql`coalesce(archived_at, now())` })
        .where('name', '=', name)
        .returningAll()
        .executeTakeFirst();
      if (row === undefined) throw notFound(name);
      return toPipeline(row);
    },
    delete: (name) => kysely.transaction().execute((trx) => deleteUnused(trx, name)),
  };
}

async function register(
  trx: Transaction<Schema>,
  content: PipelineContent,
  expectedVersion: number | undefined,
): Promise<{ version: PipelineVersionInfo; isNew: boolean }> {
  const { name, description } = content;
  await trx
    .insertInto('pipelines')
    .values({ name, description, latest_version: 0 })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute();
  const { latest_version: latest } = await trx
    .selectFrom('pipelines')
    .select('latest_version')
    .where('name', '=', name)
    .forUpdate()
    .executeTakeFirstOrThrow();
  const newest = await versionRows(trx)
    .where('v.name', '=', name)
    .where('v.version', '=', latest)
    .executeTakeFirst();
  const sha256 = createHash('sha256').update(content.source).digest('hex');
  // Before the comparison with what was expected: a caller whose answer was lost asks again in the same words.
  if (newest !== undefined && isSame(newest, { ...content, sha256 })) {
    await trx.updateTable('pipelines').set({ archived_at: null }).where('name', '=', name).execute();
    return { version: toVersion(newest), isNew: false };
  }
  if (expectedVersion !== undefined && expectedVersion !== latest) {
    throw new TrainyardError('CONFLICT', unexpected(name, latest, expectedVersion), {
      details: { latestVersion: latest },
    });
  }
  if (latest >= PIPELINE_LIMITS.maxVersions) {
    const message = `Pipeline "${name}" has ${latest} versions, which is the limit; register it under another name.`;
    throw new TrainyardError('TOO_LARGE', message);
  }
  await insertDefinition(trx, { source: content.source, definition: content.definition });
  await trx
    .insertInto('pipeline_versions')
    .values({
      name,
      version: latest + 1,
      definition_sha256: sha256,
      base_dir: content.baseDir,
      file_name: content.fileName,
      uses: [...content.uses],
      note: content.note,
      created_by: content.createdBy,
    })
    .execute();
  await trx
    .updateTable('pipelines')
    .set({ latest_version: latest + 1, description, updated_at: sql`now()`, archived_at: null })
    .where('name', '=', name)
    .execute();
  const row = await versionRows(trx)
    .where('v.name', '=', name)
    .where('v.version', '=', latest + 1)
    .executeTakeFirstOrThrow();
  return { version: toVersion(row), isNew: true };
}

async function deleteUnused(trx: Transaction<Schema>, name: string): Promise<void> {
  const row = await trx
    .selectFrom('pipelines')
    .select('name')
    .where('name', '=', name)
    .forUpdate()
    .executeTakeFirst();
  if (row === undefined) throw notFound(name);
  const user = await userOf(trx, name);
  if (user !== undefined) {
    const message = `Pipeline "${name}" cannot be deleted: ${user}. Archive it instead.`;
    throw new TrainyardError('CONFLICT', message);
  }
  await trx.deleteFrom('pipelines').where('name', '=', name).execute();
}

/** Something that would name a pipeline which is not there any more. */
async function userOf(trx: Transaction<Schema>, name: string): Promise<string | undefined> {
  const use = JSON.stringify([{ pipeline: { name } }]);
  const { rows } = await sql<
    Record<'run' | 'definition' | 'pipeline' | 'trigger' | 'schedule', string | null>
  >`
    select (select root_id from trees where pipeline_name = ${name} order by root_id desc limit 1) as run,
      (select sha256 from definitions where uses @> ${use}::jsonb limit 1) as definition,
      (select v.name from pipeline_versions v where v.uses @> array[${name}]::text[] and v.name <> ${name} limit 1)
        as pipeline,
      (select name from triggers where pipeline = ${name} limit 1) as trigger,
      (select name from schedules where pipeline = ${name} limit 1) as schedule`.execute(trx);
  const { run, definition, pipeline, trigger, schedule } = rows[0]!;
  if (run !== null) return `run ${run} is of it`;
  if (pipeline !== null) return `"${pipeline}" uses it`;
  if (definition !== null) return 'a run has used it';
  if (trigger !== null) return `trigger "${trigger}" starts it`;
  return schedule === null ? undefined : `schedule "${schedule}" starts it`;
}

/** The columns of a version, without its text. */
function versionRows(db: Pick<Transaction<Schema>, 'selectFrom'>) {
  return db
    .selectFrom('pipeline_versions as v')
    .innerJoin('definitions as d', 'd.sha256', 'v.definition_sha256')
    .selectAll('v');
}

function isSame(
  newest: Selectable<PipelineVersionsTable>,
  content: { readonly sha256: string; readonly baseDir: string | null },
): boolean {
  return newest.definition_sha256 === content.sha256 && newest.base_dir === content.baseDir;
}

function unexpected(name: string, latest: number, expected: number): string {
  if (latest === 0) return `There is no pipeline "${name}" yet, so its version is not ${expected}.`;
  const known = expected === 0 ? 'exists already' : `has changed: version ${expected} was expected`;
  return `Pipeline "${name}" ${known}, and its newest version is ${latest}. Look at it and try again.`;
}

function notFound(name: string): TrainyardError {
  return new TrainyardError('NOT_FOUND', `There is no registered pipeline "${name}".`);
}

function toPipeline(row: Selectable<PipelinesTable>): RegisteredPipeline {
  return {
    name: row.name,
    description: row.description,
    latestVersion: row.latest_version,
    createdAt: row.created_at.toISOString(),
    updatedAt: row.updated_at.toISOString(),
    archivedAt: row.archived_at?.toISOString() ?? null,
  };
}

function toVersion(row: Selectable<PipelineVersionsTable>): PipelineVersionInfo {
  return {
    name: row.name,
    version: row.version,
    note: row.note,
    sha256: row.definition_sha256,
    baseDir: row.base_dir,
    fileName: row.file_name,
    uses: row.uses,
    createdAt: row.created_at.toISOString(),
    createdBy: row.created_by,
  };
}
