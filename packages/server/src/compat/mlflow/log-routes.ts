import type { FastifyInstance } from 'fastify';
import type { ServerContext } from '../../server-context.ts';
import type { LogRequest } from '../../tracking/log-request.ts';
import { deleteRunTag } from '../../tracking/run-lifecycle.ts';
import { mlflowRoute } from './frame.ts';
import { list, nested, required, text } from './message.ts';
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

/** Metrics, params and tags of runs. */
export function logRoutes(app: FastifyInstance, { database, tracking }: ServerContext): void {
  const log = async (runId: string, what: Partial<LogRequest>): Promise<object> => {
    await tracking.logger.log({ params: [], tags: [], points: [], ...what, runId });
    return {};
  };

  mlflowRoute(app, {
    method: 'POST',
    path: '/runs/log-metric',
    access: 'write',
    request: { ...RUN_ID, ...METRIC },
    answer: (request) => log(runIdOf(request), { points: [checkedMetric(request)] }),
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
      metrics: list(nested(METRIC)),
      params: list(nested(PARAM)),
      tags: list(nested(TAG)),
    },
    answer(request) {
      const { metrics, params, tags } = request;
      requireBatchSize({ metrics: metrics.length, params: params.length, tags: tags.length });
      refuseDuplicates(params);
      return log(runIdOf(request), {
        points: metrics.map((metric, index) => checkedMetric(metric, `metrics[${index}].`)),
        params: params.map((param, index) => checkedParam(param, `params[${index}].`)),
        tags: tags.map((tag, index) => checkedTag(tag, `tags[${index}].`)),
      });
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
