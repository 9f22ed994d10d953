import type { FastifyInstance } from 'fastify';
import { sql } from 'kysely';
import {
  createModelVersion,
  deleteModelVersion,
  deleteVersionTag,
  describeModelVersion,
  moveToStage,
  setVersionTag,
} from '../../registry/model-versions.ts';
import { noteVersion } from '../../registry/note-version.ts';
import { getModelVersion } from '../../registry/read-versions.ts';
import { REGISTRY_LIMITS } from '../../registry/registry-limits.ts';
import { searchModelVersions } from '../../registry/search-registry.ts';
import { readStage } from '../../registry/stages.ts';
import { ownerOf } from '../../routes/request-owner.ts';
import { RUN_FIELDS, SEARCHED_RUNS } from '../../search/run-fields.ts';
import { SEARCHABLE } from '../../search/searchable.ts';
import type { ServerContext } from '../../server-context.ts';
import { requireLength } from './field-limits.ts';
import { mlflowRoute } from './frame.ts';
import { flag, list, nested, required, text } from './message.ts';
import { MlflowRefusal } from './mlflow-error.ts';
import { type ModelSource, resolveModelSource } from './model-source.ts';
import {
  checkedRegistryTag,
  checkedRegistryTags,
  MODEL_NAME,
  MODEL_VERSION,
  optionalText,
  requireModelName,
  versionOf,
} from './registry-fields.ts';
import { registrySearchRoute } from './registry-search-route.ts';
import { modelVersionView } from './registry-view.ts';

const DEFAULT_RESULTS = 10_000;
const TAG = { key: required(text()), value: text() };

/** Versions of registered models: made, found, described, moved, deleted, searched. */
export function modelVersionRoutes(app: FastifyInstance, context: ServerContext): void {
  const { kysely: db } = context.database;
  versionReads(app, context);
  versionTags(app, context);

  const resolve = (given: ModelSource) =>
    resolveModelSource(db, given, async (runId) => {
      const { rows } = await sql<{ uri: string }>`
        select ${RUN_FIELDS.attribute('artifact_uri')} as uri from ${SEARCHED_RUNS}
        where t.run_id = ${runId}`.execute(db);
      if (rows[0] !== undefined) return rows[0].uri;
      const message = `Invalid model version source: '${given.source}'. The run_id request parameter must identify the resource that contains the source.`;
      throw new MlflowRefusal('INVALID_PARAMETER_VALUE', message);
    });

  mlflowRoute(app, {
    method: 'POST',
    path: '/model-versions/create',
    access: 'write',
    request: {
      ...MODEL_NAME,
      source: required(text()),
      run_id: text(),
      tags: list(nested(TAG)),
      run_link: text(),
      description: text(),
      model_id: text(),
    },
    async answer(request, http) {
      requireModelName(request.name);
      requireLength('source', request.source, REGISTRY_LIMITS.source);
      const description = optionalText('description', request.description, REGISTRY_LIMITS.description);
      const loggedModelId = optionalText('model_id', request.model_id, 256);
      const resolved = await resolve({
        source: request.source,
        runId: optionalText('run_id', request.run_id, 256),
        loggedModelId,
      });
      const created = await createModelVersion(db, {
        ...resolved,
        modelName: request.name,
        description,
        runLink: optionalText('run_link', request.run_link, REGISTRY_LIMITS.runLink),
        userId: await ownerOf(context.auth, http),
        checkpointId: null,
        tags: checkedRegistryTags(request.tags),
      });
      if (loggedModelId !== null) await noteVersion(db, loggedModelId, created);
      return { model_version: modelVersionView(created) };
    },
  });

  mlflowRoute(app, {
    method: 'PATCH',
    path: '/model-versions/update',
    access: 'write',
    request: { ...MODEL_VERSION, description: text() },
    async answer({ name, version, description: given }) {
      requireModelName(name);
      const description = optionalText('description', given, REGISTRY_LIMITS.description);
      const changed = await describeModelVersion(db, name, versionOf(version), description);
      return { model_version: modelVersionView(changed) };
    },
  });

  mlflowRoute(app, {
    method: 'POST',
    path: '/model-versions/transition-stage',
    access: 'write',
    request: { ...MODEL_VERSION, stage: required(text()), archive_existing_versions: flag() },
    async answer({ name, version, stage, archive_existing_versions: archivesOthers = false }) {
      requireModelName(name);
      const moved = await moveToStage(db, name, versionOf(version), {
        stage: readStage(stage),
        archivesOthers,
      });
      return { model_version: modelVersionView(moved) };
    },
  });

  mlflowRoute(app, {
    method: 'DELETE',
    path: '/model-versions/delete',
    access: 'write',
    request: MODEL_VERSION,
    async answer({ name, version }) {
      requireModelName(name);
      await deleteModelVersion(db, name, versionOf(version));
      return {};
    },
  });
}

function versionReads(app: FastifyInstance, { database: { kysely: db } }: ServerContext): void {
  mlflowRoute(app, {
    method: 'GET',
    path: '/model-versions/get',
    access: 'read',
    request: MODEL_VERSION,
    async answer({ name, version }) {
      requireModelName(name);
      return { model_version: modelVersionView(await getModelVersion(db, name, versionOf(version))) };
    },
  });

  mlflowRoute(app, {
    method: 'GET',
    path: '/model-versions/get-download-uri',
    access: 'read',
    request: MODEL_VERSION,
    async answer({ name, version }) {
      requireModelName(name);
      return { artifact_uri: (await getModelVersion(db, name, versionOf(version))).storageLocation };
    },
  });

  registrySearchRoute(app, db, {
    path: '/model-versions/search',
    name: 'model_versions',
    searchable: SEARCHABLE.modelVersions,
    maxResults: REGISTRY_LIMITS.versionsPerPage,
    defaultResults: DEFAULT_RESULTS,
    search: searchModelVersions,
    view: modelVersionView,
  });
}

function versionTags(app: FastifyInstance, { database: { kysely: db } }: ServerContext): void {
  mlflowRoute(app, {
    method: 'POST',
    path: '/model-versions/set-tag',
    access: 'write',
    request: { ...MODEL_VERSION, ...TAG },
    async answer({ name, version, ...tag }) {
      requireModelName(name);
      await setVersionTag(db, name, versionOf(version), checkedRegistryTag(tag));
      return {};
    },
  });

  mlflowRoute(app, {
    method: 'DELETE',
    path: '/model-versions/delete-tag',
    access: 'write',
    request: { ...MODEL_VERSION, key: required(text()) },
    async answer({ name, version, key }) {
      requireModelName(name);
      checkedRegistryTag({ key });
      await deleteVersionTag(db, name, versionOf(version), key);
      return {};
    },
  });
}
