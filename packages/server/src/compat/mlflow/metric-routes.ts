import type { FastifyInstance } from 'fastify';
import type { Points } from '../../ingest/index.ts';
import type { ServerContext } from '../../server-context.ts';
import { inOrderOfTime, readHistories } from '../../tracking/metric-history.ts';
import { getTrackedRun } from '../../tracking/read-runs.ts';
import { mlflowRoute } from './frame.ts';
import { integer, list, required, text } from './message.ts';
import { invalidValue, MlflowRefusal, missingValue } from './mlflow-error.ts';
import { offsetOf, pageToken } from './page-token.ts';
import { RUN_ID, runIdOf } from './run-fields.ts';
import { sampledPoints } from './sampled-points.ts';
import { wireDouble } from './wire-double.ts';

const MAX_BULK_RUNS = 100;
const MAX_BULK_POINTS = 25_000;
const MAX_INTERVAL_POINTS = 2500;

/** Histories of metrics. */
export function metricRoutes(app: FastifyInstance, { database }: ServerContext): void {
  mlflowRoute(app, {
    method: 'GET',
    path: '/metrics/get-history',
    access: 'read',
    request: {
      ...RUN_ID,
      metric_key: required(text()),
      max_results: integer({ min: 0 }),
      page_token: text(),
    },
    async answer({ metric_key: key, max_results: limit, page_token: token, ...ids }) {
      const { id } = await getTrackedRun(database.pool, runIdOf(ids));
      const points = (await readHistories(database, [id], key)).get(id);
      if (points === undefined) return {};
      const from = offsetOf(token);
      const total = points.steps.length;
      const to = limit === undefined || limit === 0 ? total : Math.min(total, from + limit);
      const metrics = wirePoints(key, inOrderOfTime(points), from, to);
      return to < total ? { metrics, next_page_token: pageToken(to) } : { metrics };
    },
  });

  mlflowRoute(app, {
    method: 'GET',
    path: '/metrics/get-history-bulk',
    access: 'read',
    request: { run_id: list(text()), metric_key: required(text()), max_results: integer({ min: 1 }) },
    async answer({ run_id: ids, metric_key: key, max_results: limit = MAX_BULK_POINTS }) {
      requireRunIds('run_id', ids);
      const histories = await readHistories(database, ids, key);
      const metrics: object[] = [];
      let left = Math.min(limit, MAX_BULK_POINTS);
      for (const [runId, points] of [...histories].sort(([a], [b]) => (a < b ? -1 : 1))) {
        const part = wirePoints(key, inOrderOfTime(points), 0, Math.min(left, points.steps.length));
        for (const point of part) metrics.push({ ...point, run_id: runId });
        left -= part.length;
      }
      return { metrics };
    },
  });

  mlflowRoute(app, {
    method: 'GET',
    path: '/metrics/get-history-bulk-interval',
    access: 'read',
    request: {
      run_ids: list(text()),
      metric_key: required(text()),
      start_step: integer(),
      end_step: integer(),
      max_results: integer(),
    },
    async answer({ run_ids: ids, metric_key: key, start_step: first, end_step: last, max_results: limit }) {
      requireRunIds('run_ids', ids);
      if (limit !== undefined && (limit < 1 || limit > MAX_INTERVAL_POINTS))
        throw invalidValue('max_results', limit, `max_results must be between 1 and ${MAX_INTERVAL_POINTS}.`);
      if ((first === undefined) !== (last === undefined))
        throw new MlflowRefusal(
          'INVALID_PARAMETER_VALUE',
          'If either start step or end step are specified, both must be specified.',
        );
      if (first !== undefined && last !== undefined && first > last)
        throw new MlflowRefusal(
          'INVALID_PARAMETER_VALUE',
          `end_step must be greater than start_step. Found start_step=${first} and end_step=${last}.`,
        );
      const histories = await readHistories(database, ids, key);
      const sampled = sampledPoints(histories, { first, last, limit: limit ?? DEFAULT_INTERVAL_POINTS });
      return {
        metrics: [...sampled].flatMap(([runId, points]) =>
          wirePoints(key, points, 0, points.steps.length).map((point) => ({ ...point, run_id: runId })),
        ),
      };
    },
  });
}

/** What MLflow's page asks for. */
const DEFAULT_INTERVAL_POINTS = 320;

function requireRunIds(path: string, ids: readonly string[]): void {
  if (ids.length === 0) throw missingValue(path);
  if (ids.length <= MAX_BULK_RUNS) return;
  const message = `GetMetricHistoryBulk request must specify at most ${MAX_BULK_RUNS} ${path}. Received ${ids.length} ${path}.`;
  throw new MlflowRefusal('INVALID_PARAMETER_VALUE', message);
}

function wirePoints(key: string, { steps, times, values }: Points, from: number, to: number) {
  const points: { key: string; value: number | 'NaN'; timestamp: number; step: number }[] = [];
  for (let i = from; i < to; i++)
    points.push({ key, value: wireDouble(values[i]!), timestamp: Math.round(times[i]!), step: steps[i]! });
  return points;
}
