import {
  aliasName,
  MODELS_API_LIMITS,
  type ModelVersionInfo,
  modelDetails,
  modelName,
  modelsQuery,
  modelVersion,
  page,
  type RegisteredModelInfo,
  registerCheckpoint,
  registeredModel,
  TrainyardError,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { sql } from 'kysely';
import { z } from 'zod';
import { createModelVersion, deleteModelAlias, setModelAlias } from '../registry/model-versions.ts';
import { type ModelVersion, readModelVersions } from '../registry/read-versions.ts';
import {
  createRegisteredModel,
  getRegisteredModel,
  type RegisteredModel,
} from '../registry/registered-models.ts';
import { searchRegisteredModels } from '../registry/search-registry.ts';
import { parseFilter } from '../search/parse-filter.ts';
import { inSearch } from '../search/search-transaction.ts';
import { SEARCHABLE } from '../search/searchable.ts';
import type { ServerContext } from '../server-context.ts';
import { ownerOf } from './request-owner.ts';

const tags = ['models'];
const nameParams = z.object({ name: modelName });
const aliasParams = nameParams.extend({ alias: aliasName });
const DEFAULT_MODELS = 100;

/** Registered models, their versions and aliases. */
export function modelRoutes({ database: { kysely: db }, auth }: ServerContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/models',
      {
        config: { access: 'read' },
        schema: {
          tags,
          querystring: modelsQuery,
          response: { 200: page(registeredModel) },
        },
      },
      async ({ query }) => {
        const [limit, offset] = [query.limit ?? DEFAULT_MODELS, Number(query.cursor ?? 0)];
        const filter = parseFilter(query.filter ?? '', SEARCHABLE.registeredModels);
        const found = await inSearch(db, (trx) =>
          searchRegisteredModels(trx, { filter, orderBy: [], limit, offset }),
        );
        return { items: found.items.map(toInfo), nextCursor: found.hasMore ? String(offset + limit) : null };
      },
    );
    app.get(
      '/models/:name',
      { config: { access: 'read' }, schema: { tags, params: nameParams, response: { 200: modelDetails } } },
      ({ params }) => details(params.name),
    );
    app.put(
      '/models/:name/aliases/:alias',
      {
        config: { access: 'write' },
        schema: {
          tags,
          params: aliasParams,
          body: z.strictObject({ version: z.int().min(1) }),
          response: { 200: modelDetails },
        },
      },
      async ({ params, body }) => {
        await setModelAlias(db, params.name, params.alias, body.version);
        return details(params.name);
      },
    );
    app.delete(
      '/models/:name/aliases/:alias',
      { config: { access: 'write' }, schema: { tags, params: aliasParams, response: { 204: z.null() } } },
      async ({ params: { name, alias } }, reply) => {
        if (!(await deleteModelAlias(db, name, alias)))
          throw new TrainyardError('NOT_FOUND', `The model "${name}" has no alias "${alias}".`);
        return reply.status(204).send(null);
      },
    );
    app.put(
      '/models/:name/checkpoint',
      {
        config: { access: 'write' },
        schema: {
          tags,
          params: nameParams,
          body: registerCheckpoint,
          response: { 200: modelVersion, 201: modelVersion },
        },
      },
      async (request, reply) => {
        const createdBy = await ownerOf(auth, request);
        const { version, isNew } = await register(request.params.name, request.body, createdBy);
        return reply.status(isNew ? 201 : 200).send(toVersionInfo(version));
      },
    );
  };

  async function details(name: string) {
    const model = await getRegisteredModel(db, name);
    const all = { limit: MODELS_API_LIMITS.maxVersions, offset: 0 };
    const versions = await readModelVersions(db, sql`m.id = ${model.id}`, sql`v.version desc`, all);
    return { ...toInfo(model), versions: versions.map(toVersionInfo) };
  }

  /** A checkpoint becomes one version of a model, however often that is asked for. The model is made where it is not there. */
  async function register(
    name: string,
    { checkpointId, description = null }: { checkpointId: string; description?: string | null | undefined },
    userId: string | null,
  ): Promise<{ version: ModelVersion; isNew: boolean }> {
    const checkpoint = await db
      .selectFrom('model_checkpoints')
      .select(['path', 'run_id', 'deleted_at'])
      .where('id', '=', checkpointId)
      .executeTakeFirst();
    if (checkpoint === undefined || checkpoint.deleted_at !== null) {
      throw new TrainyardError(
        'NOT_FOUND',
        `There is no model checkpoint "${checkpointId}" whose files are there.`,
      );
    }
    await createRegisteredModel(db, { name, description: null, tags: [] });
    const where = sql<boolean>`m.name = ${name} and v.checkpoint_id = ${checkpointId}`;
    const [before] = await readModelVersions(db, where, sql`v.version desc`, { limit: 1, offset: 0 });
    if (before !== undefined) return { version: before, isNew: false };
    const version = await createModelVersion(db, {
      modelName: name,
      description,
      source: `checkpoint:${checkpointId}`,
      storageLocation: checkpoint.path,
      runId: checkpoint.run_id,
      runLink: null,
      userId,
      loggedModelId: null,
      checkpointId,
      tags: [],
    });
    return { version, isNew: true };
  }
}

function toInfo(model: RegisteredModel): RegisteredModelInfo {
  return {
    name: model.name,
    description: model.description,
    latestVersion: model.latestVersions[0]?.version ?? null,
    aliases: [...model.aliases],
    tags: [...model.tags],
    createdAt: model.createdAt.toISOString(),
    updatedAt: model.updatedAt.toISOString(),
  };
}

function toVersionInfo(version: ModelVersion): ModelVersionInfo {
  return {
    version: version.version,
    description: version.description,
    stage: version.stage,
    source: version.source,
    location: version.storageLocation,
    runId: version.runId,
    loggedModelId: version.loggedModelId,
    checkpointId: version.checkpointId,
    aliases: [...version.aliases],
    tags: [...version.tags],
    createdBy: version.userId,
    createdAt: version.createdAt.toISOString(),
  };
}
