import { cacheEntry, clearCacheQuery, listCacheQuery } from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { clearCached, listCached } from '../cache/stage-cache.ts';
import type { ServerContext } from '../server-context.ts';

/** Results that runs use again. */
export function cacheRoutes({ database }: ServerContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/cache',
      {
        config: { access: 'read' },
        schema: {
          tags: ['cache'],
          querystring: listCacheQuery,
          response: { 200: z.object({ items: z.array(cacheEntry) }) },
        },
      },
      async (request) => ({ items: await listCached(database.kysely, request.query) }),
    );

    app.delete(
      '/cache',
      {
        config: { access: 'write' },
        schema: {
          tags: ['cache'],
          querystring: clearCacheQuery,
          response: { 200: z.object({ removed: z.int() }) },
        },
      },
      async (request) => ({ removed: await clearCached(database.kysely, request.query) }),
    );
  };
}
