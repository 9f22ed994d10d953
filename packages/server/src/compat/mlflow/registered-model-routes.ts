import type { FastifyInstance } from 'fastify';
import { deleteModelAlias, setModelAlias } from '../../registry/model-versions.ts';
import { getVersionByAlias } from '../../registry/read-versions.ts';
import {
  createRegisteredModel,
  deleteModelTag,
  deleteRegisteredModel,
  describeRegisteredModel,
  getRegisteredModel,
  renameRegisteredModel,
  setModelTag,
} from '../../registry/registered-models.ts';
import { REGISTRY_LIMITS } from '../../registry/registry-limits.ts';
import { searchRegisteredModels } from '../../registry/search-registry.ts';
import { readStage } from '../../registry/stages.ts';
import { SEARCHABLE } from '../../search/searchable.ts';
import type { ServerContext } from '../../server-context.ts';
import { mlflowRoute } from './frame.ts';
import { list, nested, required, text } from './message.ts';
import { MlflowRefusal } from './mlflow-error.ts';
import {
  checkedRegistryTag,
  checkedRegistryTags,
  MODEL_NAME,
  optionalText,
  requireAliasName,
  requireFreeAlias,
  requireModelName,
  versionOf,
} from './registry-fields.ts';
import { registrySearchRoute } from './registry-search-route.ts';
import { modelVersionView, registeredModelView } from './registry-view.ts';

const DEFAULT_RESULTS = 100;
const TAG = { key: required(text()), value: text() };

/** Registered models: made, found, described, renamed, deleted, searched. */
export function registeredModelRoutes(app: FastifyInstance, context: ServerContext): void {
  const { kysely: db } = context.database;
  registeredModelParts(app, context);

  mlflowRoute(app, {
    method: 'POST',
    path: '/registered-models/create',
    access: 'write',
    request: { ...MODEL_NAME, tags: list(nested(TAG)), description: text() },
    async answer({ name, tags, description: given }) {
      requireModelName(name);
      const description = optionalText('description', given, REGISTRY_LIMITS.description);
      const created = await createRegisteredModel(db, { name, description, tags: checkedRegistryTags(tags) });
      if (created === undefined) throw taken(name);
      return { registered_model: registeredModelView(created) };
    },
  });

  mlflowRoute(app, {
    method: 'GET',
    path: '/registered-models/get',
    access: 'read',
    request: MODEL_NAME,
    async answer({ name }) {
      requireModelName(name);
      return { registered_model: registeredModelView(await getRegisteredModel(db, name)) };
    },
  });

  mlflowRoute(app, {
    method: 'PATCH',
    path: '/registered-models/update',
    access: 'write',
    request: { ...MODEL_NAME, description: text() },
    async answer({ name, description: given }) {
      requireModelName(name);
      const description = optionalText('description', given, REGISTRY_LIMITS.description);
      return { registered_model: registeredModelView(await describeRegisteredModel(db, name, description)) };
    },
  });

  mlflowRoute(app, {
    method: 'POST',
    path: '/registered-models/rename',
    access: 'write',
    request: { ...MODEL_NAME, new_name: required(text()) },
    async answer({ name, new_name: newName }) {
      requireModelName(newName, 'new_name');
      requireModelName(name);
      const renamed = await renameRegisteredModel(db, name, newName);
      if (renamed === undefined) throw taken(newName);
      return { registered_model: registeredModelView(renamed) };
    },
  });

  mlflowRoute(app, {
    method: 'DELETE',
    path: '/registered-models/delete',
    access: 'write',
    request: MODEL_NAME,
    async answer({ name }) {
      requireModelName(name);
      await deleteRegisteredModel(db, name);
      return {};
    },
  });

  registrySearchRoute(app, db, {
    path: '/registered-models/search',
    name: 'registered_models',
    searchable: SEARCHABLE.registeredModels,
    maxResults: REGISTRY_LIMITS.modelsPerPage,
    defaultResults: DEFAULT_RESULTS,
    search: searchRegisteredModels,
    view: registeredModelView,
  });

  mlflowRoute(app, {
    method: ['GET', 'POST'],
    path: '/registered-models/get-latest-versions',
    access: 'read',
    request: { ...MODEL_NAME, stages: list(text()) },
    async answer({ name, stages }) {
      requireModelName(name);
      const wanted = stages.map(readStage);
      const { latestVersions } = await getRegisteredModel(db, name);
      const found = latestVersions.filter(({ stage }) => wanted.length === 0 || wanted.includes(stage));
      return found.length === 0 ? {} : { model_versions: found.map(modelVersionView) };
    },
  });
}

/** Their tags and aliases. */
function registeredModelParts(app: FastifyInstance, { database: { kysely: db } }: ServerContext): void {
  mlflowRoute(app, {
    method: 'POST',
    path: '/registered-models/set-tag',
    access: 'write',
    request: { ...MODEL_NAME, ...TAG },
    async answer({ name, ...tag }) {
      requireModelName(name);
      await setModelTag(db, name, checkedRegistryTag(tag));
      return {};
    },
  });

  mlflowRoute(app, {
    method: 'DELETE',
    path: '/registered-models/delete-tag',
    access: 'write',
    request: { ...MODEL_NAME, key: required(text()) },
    async answer({ name, key }) {
      requireModelName(name);
      checkedRegistryTag({ key });
      await deleteModelTag(db, name, key);
      return {};
    },
  });

  const ALIAS = { ...MODEL_NAME, alias: required(text()) };
  mlflowRoute(app, {
    method: 'POST',
    path: '/registered-models/alias',
    access: 'write',
    request: { ...ALIAS, version: required(text()) },
    async answer({ name, alias, version }) {
      requireModelName(name);
      requireFreeAlias(alias);
      await setModelAlias(db, name, alias, versionOf(version));
      return {};
    },
  });

  mlflowRoute(app, {
    method: 'DELETE',
    path: '/registered-models/alias',
    access: 'write',
    request: ALIAS,
    async answer({ name, alias }) {
      requireModelName(name);
      requireAliasName(alias);
      await deleteModelAlias(db, name, alias);
      return {};
    },
  });

  mlflowRoute(app, {
    method: 'GET',
    path: '/registered-models/alias',
    access: 'read',
    request: ALIAS,
    async answer({ name, alias }) {
      requireModelName(name);
      requireAliasName(alias);
      const found = await getVersionByAlias(db, name, alias);
      if (found !== undefined) return { model_version: modelVersionView(found) };
      throw new MlflowRefusal('INVALID_PARAMETER_VALUE', `Registered model alias ${alias} not found.`);
    },
  });
}

function taken(name: string): MlflowRefusal {
  return new MlflowRefusal('RESOURCE_ALREADY_EXISTS', `Registered Model (name=${name}) already exists.`);
}
