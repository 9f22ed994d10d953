import { jobTokenMade } from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ServerContext } from '../server-context.ts';
import { attemptOf } from './attempt-access.ts';

/** Tokens for programs, which their agents fetch just before they start them. */
export function jobTokenRoutes({ attempts }: ServerContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/attempts/:id/job-token',
      {
        // Authorised by the attempt's own token, below.
        config: { access: 'public' },
        schema: {
          tags: ['agents'],
          params: z.object({ id: z.string().max(100) }),
          body: z.strictObject({}).nullish(),
          response: { 200: jobTokenMade },
        },
      },
      async (request) => {
        const { id } = request.params;
        await attemptOf(attempts, request, id);
        return { token: await attempts.makeJobToken(id) };
      },
    );
  };
}
