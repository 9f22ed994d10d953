import { pool, poolDetails, poolName, setPool } from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ServerContext } from '../server-context.ts';
import { createPoolStore } from '../store/pools.ts';

const nameParams = z.object({ name: poolName });

/** Pools: made, changed, listed with what is held of them, deleted. */
export function poolRoutes({ database, bus }: ServerContext): FastifyPluginAsyncZod {
  const pools = createPoolStore(database.kysely);
  return async (app) => {
    app.get(
      '/pools',
      {
        config: { access: 'read' },
        schema: { tags: ['pools'], response: { 200: z.object({ items: z.array(pool) }) } },
      },
      async () => ({ items: await pools.list() }),
    );
    app.get(
      '/pools/:name',
      {
        config: { access: 'read' },
        schema: { tags: ['pools'], params: nameParams, response: { 200: poolDetails } },
      },
      (request) => pools.find(request.params.name),
    );
    app.put(
      '/pools/:name',
      {
        config: { access: 'write' },
        schema: {
          tags: ['pools'],
          params: nameParams,
          body: setPool,
          response: { 200: pool, 201: pool },
        },
      },
      async (request, reply) => {
        const { pool: stored, isNew } = await pools.set(request.params.name, request.body);
        // What waits for the pool may fit now.
        bus.emit('work');
        return reply.status(isNew ? 201 : 200).send(stored);
      },
    );
    app.delete(
      '/pools/:name',
      {
        config: { access: 'write' },
        schema: { tags: ['pools'], params: nameParams, response: { 204: z.null() } },
      },
      async (request, reply) => {
        await pools.remove(request.params.name);
        return reply.status(204).send(null);
      },
    );
  };
}
