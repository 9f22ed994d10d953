import type { FastifyInstance } from 'fastify';
import { logModelMetrics } from '../../registry/log-model-metrics.ts';
import type { ServerContext } from '../../server-context.ts';
import type { LogRequest } from '../../tracking/log-request.ts';
import { deleteRunTag } from '../../tracking/run-lifecycle.ts';
import { mlflowRoute } from './frame.ts';
import { list, type MessageValue, nested, required, text } from './message.ts';
import { MlflowRefusal } from './mlflow-error.ts';
import {
  checkedMetric,
  checkedParam,
  checkedTag,
  METRIC,
  PARAM,
  RUN_ID,
  requireBatchSize,
  runIdOf,
  TAG,
} from './run-fields.ts';

/** A point may say which logged model it is of, and on which dataset. */
const MODEL_METRIC = { ...METRIC, model_id: text(), dataset_name: text(), dataset_digest: text() };
type GivenModelMetric = MessageValue<typeof MODEL_METRIC>;

/** Metrics, params and tags of runs. */
export function logRoutes(app: FastifyInstance, { database, tracking }: ServerContext): void {
  const log = async (runId: string, what: Partial<LogRequest>): Promise<object> => {
    await tracking.logger.log({ params: [], tags: [], points: [], ...what, runId });
    return {};
  };
  /** Behind the points: a client that repeats a request gets what is missing stored. */
  const noteModels = (runId: string, metrics: readonly GivenModelMetric[]): Promise<void> =>
    logModelMetrics(
      database.kysely,
      metrics.flatMap(({ model_id: modelId = '', ...metric }) => {
        const {
          key,
          value,
          timestamp,
          step = 0,
          dataset_name: name = '',
          dataset_digest: digest = '',
        } = metric;
        const point = { key, value, step, timeMs: timestamp, datasetName: name, datasetDigest: digest };
        return modelId === '' ? [] : [{ modelId, runId, ...point }];
      }),
    );

  mlflowRoute(app, {
    method: 'POST',
    path: '/runs/log-metric',
    access: 'write',
    request: { ...RUN_ID, ...MODEL_METRIC },
    async answer(request) {
      const id = runIdOf(request);
      await log(id, { points: [checkedMetric(request)] });
      await noteModels(id, [request]);
      return {};
    },
  });

  mlflowRoute(app, {
    method: 'POST',
    path: '/runs/log-parameter',
    access: 'write',
    request: { ...RUN_ID, ...PARAM },
    answer: (request) => log(runIdOf(request), { params: [checkedParam(request)] }),
  });

  mlflowRoute(app, {
    method: 'POST',
    path: '/runs/set-tag',
    access: 'write',
    request: { ...RUN_ID, ...TAG },
    answer: (request) => log(runIdOf(request), { tags: [checkedTag(request)] }),
  });

  mlflowRoute(app, {
    method: 'POST',
    path: '/runs/delete-tag',
    access: 'write',
    request: { ...RUN_ID, key: required(text()) },
    async answer(request) {
      const id = runIdOf(request);
      if (await deleteRunTag(database.kysely, id, request.key)) return {};
      const message = `No tag with name: ${request.key} in run with id ${id}`;
      throw new MlflowRefusal('RESOURCE_DOES_NOT_EXIST', message);
    },
  });

  mlflowRoute(app, {
    method: 'POST',
    path: '/runs/log-batch',
    access: 'write',
    request: {
      ...RUN_ID,
      metrics: list(nested(MODEL_METRIC)),
      params: list(nested(PARAM)),
      tags: list(nested(TAG)),
    },
    async answer(request) {
      const { metrics, params, tags } = request;
      requireBatchSize({ metrics: metrics.length, params: params.length, tags: tags.length });
      refuseDuplicates(params);
      const id = runIdOf(request);
      await log(id, {
        points: metrics.map((metric, index) => checkedMetric(metric, `metrics[${index}].`)),
        params: params.map((param, index) => checkedParam(param, `params[${index}].`)),
        tags: tags.map((tag, index) => checkedTag(tag, `tags[${index}].`)),
      });
      await noteModels(id, metrics);
      return {};
    },
  });
}

function refuseDuplicates(params: readonly { readonly key: string }[]): void {
  const keys = params.map(({ key }) => key);
  const repeated = [...new Set(keys.filter((key, index) => keys.indexOf(key) !== index))];
  if (repeated.length === 0) return;
  const message = `Duplicate parameter keys have been submitted: ${JSON.stringify(repeated)}. Please ensure the request contains only one param value per param key.`;
  throw new MlflowRefusal('INVALID_PARAMETER_VALUE', message);
}
