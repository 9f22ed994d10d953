import { logToRun, type TrackedRunInfo, trackedRun } from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { toMetricNumber } from '../ingest/index.ts';
import type { ServerContext } from '../server-context.ts';
import type { Tag } from '../tracking/experiments.ts';
import { getTrackedRun, type RunData, readRunData } from '../tracking/read-runs.ts';
import { setRunDeleted } from '../tracking/run-lifecycle.ts';

const idParams = z.object({ id: z.string().max(100) });

/** Runs of experiments, of whatever kind: shown, logged to, deleted and restored. */
export function trackedRunRoutes({ database, tracking }: ServerContext): FastifyPluginAsyncZod {
  const { kysely: db, pool } = database;
  const read = async (id: string): Promise<TrackedRunInfo> => {
    const [data] = await readRunData(pool, [await getTrackedRun(pool, id)]);
    return toInfo(data!);
  };
  return async (app) => {
    app.get(
      '/tracking/runs/:id',
      {
        config: { access: 'read' },
        schema: { tags: ['experiments'], params: idParams, response: { 200: trackedRun } },
      },
      ({ params }) => read(params.id),
    );

    app.post(
      '/tracking/runs/:id/log',
      {
        config: { access: 'write' },
        schema: { tags: ['experiments'], params: idParams, body: logToRun, response: { 204: z.null() } },
      },
      async ({ params: { id }, body }, reply) => {
        const now = Date.now();
        await tracking.logger.log({
          runId: id,
          params: pairs(body.params),
          tags: pairs(body.tags),
          points: body.metrics.map(({ time = now, ...point }) => ({ ...point, time })),
        });
        return reply.status(204).send(null);
      },
    );

    app.delete(
      '/tracking/runs/:id',
      {
        config: { access: 'write' },
        schema: { tags: ['experiments'], params: idParams, response: { 200: trackedRun } },
      },
      async ({ params }) => {
        await setRunDeleted(db, params.id, true);
        return read(params.id);
      },
    );

    app.post(
      '/tracking/runs/:id/restore',
      {
        config: { access: 'write' },
        schema: { tags: ['experiments'], params: idParams, response: { 200: trackedRun } },
      },
      async ({ params }) => {
        await setRunDeleted(db, params.id, false);
        return read(params.id);
      },
    );
  };
}

function pairs(texts: Readonly<Record<string, string>>): Tag[] {
  return Object.entries(texts).map(([key, value]) => ({ key, value }));
}

function toInfo({ run, params, tags, metrics }: RunData): TrackedRunInfo {
  const { id, kind, experimentId, name, userId, status, startMs, endMs, isDeleted } = run;
  const texts = (all: readonly Tag[]) => Object.fromEntries(all.map(({ key, value }) => [key, value]));
  return {
    ...{ id, kind, experimentId, name, userId, status, startMs, endMs, isDeleted },
    params: texts(params),
    tags: texts(tags),
    metrics: Object.fromEntries(
      metrics.map(({ key, value, step, time }) => [key, { value: toMetricNumber(value), step, time }]),
    ),
  };
}
