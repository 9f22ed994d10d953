import type { FastifyInstance } from 'fastify';
import {
  createLoggedModel,
  deleteLoggedModel,
  deleteLoggedTag,
  finishLoggedModel,
  getLoggedModel,
  LOGGED_MODEL_STATUSES,
  logModelParams,
  setLoggedTags,
} from '../../registry/logged-models.ts';
import { REGISTRY_LIMITS } from '../../registry/registry-limits.ts';
import { searchLoggedModels } from '../../registry/search-logged-models.ts';
import { parseFilter } from '../../search/parse-filter.ts';
import { parseOrderBy } from '../../search/parse-order-by.ts';
import { inSearch } from '../../search/search-transaction.ts';
import { SEARCHABLE } from '../../search/searchable.ts';
import type { ServerContext } from '../../server-context.ts';
import { getActiveExperiment } from '../../tracking/experiments.ts';
import { experimentId } from './experiment-routes.ts';
import { requireKey, requireLength } from './field-limits.ts';
import { mlflowRoute } from './frame.ts';
import { loggedModelView } from './logged-model-view.ts';
import { flag, integer, list, nested, required, text } from './message.ts';
import { invalidValue, MlflowRefusal } from './mlflow-error.ts';
import { offsetOf, pageOf } from './page-token.ts';
import { optionalText } from './registry-fields.ts';

const PAIR = { key: required(text()), value: text() };
const BY_ID = { model_id: required(text()) };
const DEFAULT_RESULTS = 100;

/** Logged models: made, found, finished, deleted; their params and tags. */
export function loggedModelRoutes(app: FastifyInstance, context: ServerContext): void {
  const { kysely: db } = context.database;
  loggedModelSearch(app, context);

  mlflowRoute(app, {
    method: 'POST',
    path: '/logged-models',
    access: 'write',
    request: {
      experiment_id: required(text()),
      name: text(),
      model_type: text(),
      source_run_id: text(),
      params: list(nested(PAIR)),
      tags: list(nested(PAIR)),
    },
    async answer(request) {
      const { id } = await getActiveExperiment(db, experimentId(request.experiment_id));
      const created = await createLoggedModel(db, {
        experimentId: id,
        name: checkedName(request.name),
        modelType: optionalText('model_type', request.model_type, REGISTRY_LIMITS.modelType),
        sourceRunId: optionalText('source_run_id', request.source_run_id, 256),
        params: checkedParams(request.params),
        tags: checkedTags(request.tags),
      });
      return { model: loggedModelView(created) };
    },
  });

  mlflowRoute(app, {
    method: 'GET',
    path: '/logged-models/:model_id',
    access: 'read',
    request: { ...BY_ID, allow_deleted: flag() },
    async answer({ model_id: id, allow_deleted: allowDeleted = false }) {
      return { model: loggedModelView(await getLoggedModel(db, id, { allowDeleted })) };
    },
  });

  mlflowRoute(app, {
    method: 'PATCH',
    path: '/logged-models/:model_id',
    access: 'write',
    request: { ...BY_ID, status: required(STATUS) },
    async answer({ model_id: id, status }) {
      return { model: loggedModelView(await finishLoggedModel(db, id, status)) };
    },
  });

  mlflowRoute(app, {
    method: 'DELETE',
    path: '/logged-models/:model_id',
    access: 'write',
    request: BY_ID,
    async answer({ model_id: id }) {
      await deleteLoggedModel(db, id);
      return {};
    },
  });

  mlflowRoute(app, {
    method: 'PATCH',
    path: '/logged-models/:model_id/tags',
    access: 'write',
    request: { ...BY_ID, tags: list(nested(PAIR)) },
    async answer({ model_id: id, tags }) {
      await setLoggedTags(db, id, checkedTags(tags));
      return {};
    },
  });

  mlflowRoute(app, {
    method: 'DELETE',
    path: '/logged-models/:model_id/tags/:tag_key',
    access: 'write',
    request: { ...BY_ID, tag_key: required(text()) },
    async answer({ model_id: id, tag_key: key }) {
      await deleteLoggedTag(db, id, key);
      return {};
    },
  });

  mlflowRoute(app, {
    method: 'POST',
    path: '/logged-models/:model_id/params',
    access: 'write',
    request: { ...BY_ID, params: list(nested(PAIR)) },
    async answer({ model_id: id, params }) {
      await logModelParams(db, id, checkedParams(params));
      return {};
    },
  });
}

function loggedModelSearch(app: FastifyInstance, { database: { kysely: db } }: ServerContext): void {
  mlflowRoute(app, {
    method: 'POST',
    path: '/logged-models/search',
    access: 'read',
    request: {
      experiment_ids: list(text()),
      filter: text(),
      datasets: list(nested({ dataset_name: text(), dataset_digest: text() })),
      max_results: integer({ min: 1, max: REGISTRY_LIMITS.loggedModelsPerPage }),
      order_by: list(
        nested({
          field_name: required(text()),
          ascending: flag(),
          dataset_name: text(),
          dataset_digest: text(),
        }),
      ),
      page_token: text(),
    },
    async answer({ max_results: limit = DEFAULT_RESULTS, page_token: token, ...request }) {
      const search = {
        experimentIds: request.experiment_ids.map((id) => experimentId(id, 'experiment_ids')),
        filter: parseFilter(request.filter ?? '', SEARCHABLE.loggedModels),
        datasets: request.datasets.map(metricDataset),
        orderBy: loggedModelOrders(request.order_by),
        limit,
        offset: offsetOf(token),
      };
      const { items, hasMore } = await inSearch(db, (trx) => searchLoggedModels(trx, search));
      return pageOf('models', items.map(loggedModelView), hasMore, search);
    },
  });
}

interface GivenOrder {
  readonly field_name: string;
  readonly ascending?: boolean | undefined;
  readonly dataset_name?: string | undefined;
  readonly dataset_digest?: string | undefined;
}

/** Clients name the field by itself, and the direction beside it. */
function loggedModelOrders(given: readonly GivenOrder[]) {
  const orders = parseOrderBy(
    given.map(({ field_name: name }) => quotedKey(name)),
    SEARCHABLE.loggedModels,
  );
  return orders.map((order, index) => {
    const { ascending = true, dataset_name: name = '', dataset_digest: digest } = given[index]!;
    return {
      ...order,
      isDescending: !ascending,
      ...(name === '' ? {} : { dataset: metricDataset({ dataset_name: name, dataset_digest: digest }) }),
    };
  });
}

/** What follows the first dot is the key, whatever it holds. */
function quotedKey(name: string): string {
  const dot = name.indexOf('.');
  if (dot === -1 || /["`]/.test(name)) return name;
  return `${name.slice(0, dot)}."${name.slice(dot + 1)}"`;
}

function metricDataset({ dataset_name: name = '', dataset_digest: digest }: Partial<GivenOrder>) {
  if (name === '') {
    const message = '`dataset_name` in the `datasets` clause must be specified.';
    throw new MlflowRefusal('INVALID_PARAMETER_VALUE', message);
  }
  return { name, digest: digest === '' ? undefined : digest };
}

/** By its name or its number. */
const STATUS = {
  isRequired: false as const,
  read(value: unknown, path: string) {
    const found = LOGGED_MODEL_STATUSES.find(
      (status, index) => status === value || index + 1 === Number(value),
    );
    if (found === undefined)
      throw invalidValue(path, value, `it must be one of ${LOGGED_MODEL_STATUSES.join(', ')}.`);
    return found;
  },
};

function checkedName(name: string | undefined): string | null {
  const given = optionalText('name', name, REGISTRY_LIMITS.loggedModelName);
  if (given === null || !/[/:.%"']/.test(given)) return given;
  const message = `Invalid model name ('${given}') provided. Model name must be a non-empty string and cannot contain the following characters: / : . % " '`;
  throw new MlflowRefusal('INVALID_PARAMETER_VALUE', message);
}

interface GivenPair {
  readonly key: string;
  readonly value?: string | undefined;
}

function checkedParams(params: readonly GivenPair[]) {
  return checkedPairs('params', params, REGISTRY_LIMITS.loggedParamKey, REGISTRY_LIMITS.loggedParamValue);
}

function checkedTags(tags: readonly GivenPair[]) {
  return checkedPairs('tags', tags, REGISTRY_LIMITS.loggedTagKey, REGISTRY_LIMITS.loggedTagValue);
}

function checkedPairs(path: string, pairs: readonly GivenPair[], maxKey: number, maxValue: number) {
  if (pairs.length > REGISTRY_LIMITS.itemsPerRequest) {
    const message = `'${path}' may have at most ${REGISTRY_LIMITS.itemsPerRequest} items, and has ${pairs.length}.`;
    throw new MlflowRefusal('INVALID_PARAMETER_VALUE', message);
  }
  return pairs.map(({ key, value = '' }, index) => {
    requireKey(`${path}[${index}].key`, key, maxKey);
    requireLength(`${path}[${index}].value`, value, maxValue);
    return { key, value };
  });
}
