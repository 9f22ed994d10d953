import {
  jobParams,
  jobParamsAnswered,
  jobParamsUpdated,
  paramAnswer,
  TrainyardError,
  updateJobParams,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { ownerOf } from '../../routes/request-owner.ts';
import type { ServerContext } from '../../server-context.ts';
import {
  answerParamUpdates,
  joinedParamUpdates,
  paramUpdatesOf,
  requestParamUpdate,
} from '../../store/param-updates.ts';
import { ownedJob, reportingJob, requireReporter, visibleJob } from './job-access.ts';
import { readLenientJson } from './lenient-json.ts';
import type { LocalJob } from './local-jobs.ts';
import { OlderRefusal } from './older-error.ts';

const idParams = z.object({ jobId: z.string().max(200) });
const TAGS = ['older systems'];

/** Params of a running job are changed by people; its program says which of them it goes on with. */
export function jobParamRoutes(context: ServerContext): FastifyPluginAsyncZod {
  const { database, auth, bus } = context;
  return async (app) => {
    readLenientJson(app);

    app.post(
      '/local/:jobId/update-params',
      {
        config: { access: 'train' },
        schema: {
          tags: TAGS,
          params: idParams,
          body: updateJobParams,
          response: { 200: jobParamsUpdated },
        },
      },
      async (request) => {
        const job = await ownedJob(context, request, request.params.jobId);
        const attempt = changeableAttempt(job);
        const revision = await requestParamUpdate(database.pool, {
          ...{ runId: job.runId, attemptId: attempt.id, params: request.body },
          by: await ownerOf(auth, request),
        });
        if (revision === undefined) throw hasEnded(job);
        // Its agent waits in a claim call, which looks at once.
        bus.emit('work');
        const updates = await paramUpdatesOf(database.kysely, job.runId);
        const update = updates.find((each) => each.revision === revision)!;
        return { success: true as const, job_id: job.runId, update };
      },
    );

    app.get(
      '/local/:jobId/params',
      {
        config: { access: 'watch' },
        schema: { tags: TAGS, params: idParams, response: { 200: jobParams } },
      },
      async (request) => {
        const { runId } = await visibleJob(context, request, request.params.jobId);
        const joined = (await joinedParamUpdates(database.kysely, [runId])).get(runId);
        const { revision, params } = joined ?? { revision: 0, params: {} };
        return { job_id: runId, revision, params, updates: await paramUpdatesOf(database.kysely, runId) };
      },
    );

    app.post(
      '/local/:jobId/params',
      {
        config: { access: 'public', unstorableText: 'repair' },
        schema: { tags: TAGS, params: idParams, body: paramAnswer, response: { 200: jobParamsAnswered } },
      },
      async (request) => {
        const reporting = await reportingJob(context, request, request.params.jobId);
        requireReporter(reporting);
        const { job, attempt } = reporting;
        if (request.body.revision > attempt.paramsRevision) {
          const message = `body/revision: job ${job.runId} has ${attempt.paramsRevision} changes of params, not ${request.body.revision}.`;
          throw new TrainyardError('INVALID_REQUEST', message);
        }
        const { number } = attempt;
        const answer = { attemptId: attempt.id, runId: job.runId, number, answer: request.body };
        await answerParamUpdates(database.pool, [answer]);
        return { success: true as const };
      },
    );
  };
}

function changeableAttempt(job: LocalJob) {
  const { attempt, status } = job;
  if (attempt === null || (status !== 'running' && status !== 'paused')) throw hasEnded(job);
  return attempt;
}

function hasEnded({ runId, status }: LocalJob): OlderRefusal {
  return new OlderRefusal('INVALID_STATUS', `Job ${runId} is ${status}; only a running one can be changed.`);
}
