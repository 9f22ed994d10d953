import {
  askReleasedJobs,
  releasedJobsAnswer,
  releasedSteered,
  steerReleased,
  TrainyardError,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { isGivenBack } from '../compat/training-v1/job-access.ts';
import { findLocalJob } from '../compat/training-v1/local-jobs.ts';
import { tellTree } from '../compat/training-v1/tell-tree.ts';
import type { ServerContext } from '../server-context.ts';
import { pausedAround, standsStill } from '../store/paused-around.ts';
import { releasedJobs, runOfReleased } from '../store/released-jobs.ts';

const idParams = z.object({ id: z.string().max(100) });
const attemptParams = idParams.extend({ attemptId: z.string().max(100) });
const AGENT = { access: 'agent' } as const;
const TAGS = ['agents'];

/** Jobs that have no attempt now, because that of the agent gave its slot back for a pause. */
export function releasedJobRoutes(context: ServerContext): FastifyPluginAsyncZod {
  const { kysely } = context.database;

  const steer = async (agentId: string, attemptId: string, action: 'resume' | 'cancel'): Promise<void> => {
    const runId = await runOfReleased(kysely, agentId, attemptId);
    const job = runId === undefined ? undefined : await findLocalJob(kysely, runId);
    if (job === undefined) {
      throw new TrainyardError('NOT_FOUND', `Agent ${agentId} has had no attempt ${attemptId}.`);
    }
    if (!isGivenBack(job) || job.attempt?.id !== attemptId) {
      const message = `Job ${job.runId} is ${job.status}, and not by a pause of this agent's attempt.`;
      throw new TrainyardError('CONFLICT', message);
    }
    const around = action === 'resume' ? await pausedAround(kysely, job) : undefined;
    if (around !== undefined) throw new TrainyardError('CONFLICT', standsStill(around));
    const cancel = { kind: 'cancel', reason: 'cancelled at its agent' };
    await tellTree(context, job, action === 'resume' ? { kind: 'resume' } : cancel);
  };

  return async (app) => {
    app.post(
      '/agents/:id/released-jobs',
      {
        config: AGENT,
        schema: {
          tags: TAGS,
          description: 'How the jobs stand now whose attempts on this agent gave their slots back.',
          params: idParams,
          body: askReleasedJobs,
          response: { 200: releasedJobsAnswer },
        },
      },
      async ({ params, body }) => ({ items: await releasedJobs(kysely, params.id, body.attemptIds) }),
    );

    app.post(
      '/agents/:id/released-jobs/:attemptId',
      {
        config: AGENT,
        schema: {
          tags: TAGS,
          description: 'Lets such a job go on, or cancels it, as somebody has asked for at the agent.',
          params: attemptParams,
          body: steerReleased,
          response: { 202: releasedSteered },
        },
      },
      async ({ params, body }, reply) => {
        await steer(params.id, params.attemptId, body.action);
        return reply.status(202).send({ accepted: true });
      },
    );
  };
}
