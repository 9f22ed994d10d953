import { askRetention, modelCheckpoint, retentionAnswer } from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ServerContext } from '../server-context.ts';
import { createCheckpointDecisions, decideRetention } from '../store/checkpoint-decisions.ts';
import { createTrainingJobStore } from '../store/training-jobs.ts';
import { attemptOf } from './attempt-access.ts';

const idParams = z.object({ id: z.string().max(100) });
const answer = { 200: modelCheckpoint };
const TAGS = ['jobs'];

/** Single model checkpoints: pinned, unpinned, removed; and which of a job have to go, asked by agents. */
export function checkpointRoutes({ database, attempts }: ServerContext): FastifyPluginAsyncZod {
  const decisions = createCheckpointDecisions(database);
  const jobs = createTrainingJobStore(database.kysely);
  return async (app) => {
    app.get(
      '/checkpoints/:id',
      { config: { access: 'read' }, schema: { tags: TAGS, params: idParams, response: answer } },
      (request) => decisions.get(request.params.id),
    );
    app.delete(
      '/checkpoints/:id',
      {
        config: { access: 'write' },
        schema: { tags: TAGS, params: idParams, response: { 202: modelCheckpoint } },
      },
      async (request, reply) => reply.status(202).send(await decisions.requestRemoval(request.params.id)),
    );
    app.put(
      '/checkpoints/:id/pin',
      { config: { access: 'write' }, schema: { tags: TAGS, params: idParams, response: answer } },
      (request) => decisions.pin(request.params.id),
    );
    app.delete(
      '/checkpoints/:id/pin',
      { config: { access: 'write' }, schema: { tags: TAGS, params: idParams, response: answer } },
      (request) => decisions.unpin(request.params.id),
    );

    app.post(
      '/attempts/:id/retention',
      {
        // Authorised by the attempt's own token, below.
        config: { access: 'public', unstorableText: 'repair' },
        schema: {
          tags: ['agents'],
          params: idParams,
          body: askRetention,
          response: { 200: retentionAnswer },
        },
      },
      async (request) => {
        const { id } = request.params;
        await attemptOf(attempts, request, id);
        const { training_job_id: jobId } = await database.kysely
          .selectFrom('attempts')
          .select('training_job_id')
          .where('id', '=', id)
          .executeTakeFirstOrThrow();
        const job = jobId === null ? undefined : await jobs.find(jobId);
        if (job?.retention === undefined) return { doomed: [] };
        return { doomed: await decideRetention(database, job.id, job.retention, request.body.checkpoints) };
      },
    );
  };
}
