import { askCached, cachedAnswer } from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { cacheKey } from '../cache/cache-key.ts';
import { findCached } from '../cache/stage-cache.ts';
import type { ServerContext } from '../server-context.ts';
import { attemptOfEpoch } from './attempt-access.ts';

/** Asked by agents that have read the files of a cached stage: whether there is a result to use instead of running it. */
export function attemptCacheRoutes({ database, attempts }: ServerContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.post(
      '/attempts/:id/cached',
      {
        // Authorised by the attempt's own token, below.
        config: { access: 'public' },
        schema: {
          tags: ['agents'],
          params: z.object({ id: z.string().max(100) }),
          body: askCached,
          response: { 200: cachedAnswer },
        },
      },
      async (request) => {
        const { id } = request.params;
        const { epoch, hashes } = request.body;
        await attemptOfEpoch(attempts, request, id, epoch);
        const { cache } = await attempts.specOf(id);
        if (cache === undefined || !cache.lookUp) return { from: null };
        const key = cacheKey(cache.digest, hashes);
        const found = await findCached(database.kysely, [{ key, maxAgeMs: cache.maxAgeMs }]);
        return { from: found.get(key)?.runId ?? null };
      },
    );
  };
}
