import {
  changeRunParams,
  type JobParamUpdate,
  type RunParamChange,
  runParamChange,
  runParamChanges,
  TrainyardError,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { findLocalJob, type LocalJob } from '../compat/training-v1/local-jobs.ts';
import type { ServerContext } from '../server-context.ts';
import { paramUpdatesOf, requestParamUpdate } from '../store/param-updates.ts';
import { createRunStore } from '../store/runs.ts';
import { stageInside } from '../store/stage-inside.ts';
import { refuseExternal } from '../tracking/external-run.ts';
import { ownerOf } from './request-owner.ts';

const idParams = z.object({ id: z.string().max(100) });
const inStage = z.object({ stage: z.string().min(1).max(4096).optional() });

/** Other values for params of a job that runs. Its program says which of them it goes on with. */
export function runParamRoutes({ database, bus, auth }: ServerContext): FastifyPluginAsyncZod {
  const { kysely, pool } = database;
  const runs = createRunStore(database);

  /** @throws TrainyardError NOT_FOUND, CONFLICT when the run has several jobs and none was named */
  const find = async (id: string, stage: string | undefined): Promise<LocalJob> => {
    const run = await runs.get(id);
    refuseExternal(run, 'asked for other params');
    const job = await findLocalJob(kysely, stage === undefined ? id : await stageInside(kysely, run, stage));
    if (job !== undefined) return job;
    throw new TrainyardError(
      'CONFLICT',
      `Run ${id} is not one job, and params are those of a job; name its stage.`,
    );
  };

  return async (app) => {
    app.post(
      '/runs/:id/params',
      {
        config: { access: 'write' },
        schema: {
          tags: ['runs'],
          params: idParams,
          body: changeRunParams,
          response: { 202: runParamChange },
        },
      },
      async (request, reply) => {
        const { stage, params } = request.body;
        const { runId, attempt, status } = await find(request.params.id, stage);
        const isRunning = attempt !== null && (status === 'running' || status === 'paused');
        const revision = isRunning
          ? await requestParamUpdate(pool, {
              ...{ runId, attemptId: attempt.id, params },
              by: await ownerOf(auth, request),
            })
          : undefined;
        if (revision === undefined) {
          throw new TrainyardError(
            'CONFLICT',
            `Run ${runId} is ${status}; only the params of one that runs can be changed.`,
          );
        }
        // Its agent waits in a claim call, which looks at once.
        bus.emit('work');
        const updates = await paramUpdatesOf(kysely, runId);
        return reply.status(202).send(changeOf(runId, updates.find((each) => each.revision === revision)!));
      },
    );

    app.get(
      '/runs/:id/params',
      {
        config: { access: 'read' },
        schema: {
          tags: ['runs'],
          params: idParams,
          querystring: inStage,
          response: { 200: runParamChanges },
        },
      },
      async (request) => {
        const { runId } = await find(request.params.id, request.query.stage);
        const updates = await paramUpdatesOf(kysely, runId);
        return { items: updates.map((update) => changeOf(runId, update)) };
      },
    );
  };
}

function changeOf(runId: string, update: JobParamUpdate): RunParamChange {
  const { requested_by: requestedBy, requested_at: requestedAt, answered_at: answeredAt, ...change } = update;
  return { runId, ...change, requestedBy, requestedAt, answeredAt };
}
