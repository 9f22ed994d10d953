import { retryRun, runPlan } from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { retrySubmission } from '../rerun/retry-submission.ts';
import type { ServerContext } from '../server-context.ts';
import { previewChecked, submitChecked } from '../submit-checked.ts';
import { idempotencyKey } from './idempotency-key.ts';

const started = z.object({ id: z.string() });

/** Running again what has ended. */
export function rerunRoutes(context: ServerContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/runs/:id/retry',
      {
        config: { access: 'write' },
        schema: {
          tags: ['runs'],
          params: z.object({ id: z.string().max(100) }),
          body: retryRun.prefault({}),
          response: { 200: z.union([started, runPlan]), 201: started },
        },
      },
      async (request, reply) => {
        const submission = await retrySubmission(context.database, request.params.id, {
          ...request.body,
          idempotencyKey: idempotencyKey(request.headers),
        });
        if (request.body.dryRun) return reply.status(200).send(await previewChecked(context, submission));
        const { rootId, isNew } = await submitChecked(context, submission);
        return reply.status(isNew ? 201 : 200).send({ id: rootId });
      },
    );
  };
}
