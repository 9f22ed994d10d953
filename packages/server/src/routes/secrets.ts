import { attemptSecrets, putSecret, secretInfo, secretName, TrainyardError } from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ServerContext } from '../server-context.ts';
import { createSecretStore } from '../store/secrets.ts';
import { attemptOf } from './attempt-access.ts';

const nameParams = z.object({ name: secretName });

/** Secrets for jobs. Values go in, and out only to an agent that starts an attempt which needs them. */
export function secretRoutes({ database, secrets: box, attempts }: ServerContext): FastifyPluginAsyncZod {
  const secrets = createSecretStore(database, box);
  return async (app) => {
    app.put(
      '/secrets/:name',
      {
        config: { access: 'admin' },
        schema: {
          tags: ['secrets'],
          params: nameParams,
          body: putSecret,
          response: { 200: z.object({ name: z.string() }), 201: z.object({ name: z.string() }) },
        },
      },
      async (request, reply) => {
        const { name } = request.params;
        const isNew = await secrets.put(name, request.body.value);
        return reply.status(isNew ? 201 : 200).send({ name });
      },
    );
    app.get(
      '/secrets',
      {
        config: { access: 'read' },
        schema: { tags: ['secrets'], response: { 200: z.object({ items: z.array(secretInfo) }) } },
      },
      async () => ({ items: await secrets.list() }),
    );
    app.delete(
      '/secrets/:name',
      {
        config: { access: 'admin' },
        schema: { tags: ['secrets'], params: nameParams, response: { 204: z.null() } },
      },
      async (request, reply) => {
        const { name } = request.params;
        if (await secrets.remove(name)) return reply.status(204).send(null);
        throw new TrainyardError('NOT_FOUND', `There is no secret "${name}".`);
      },
    );
    app.get(
      '/attempts/:id/secrets',
      {
        // Authorised by the attempt's own token, below.
        config: { access: 'public' },
        schema: {
          tags: ['agents'],
          params: z.object({ id: z.string().max(100) }),
          response: { 200: attemptSecrets },
        },
      },
      async (request) => {
        const { id } = request.params;
        await attemptOf(attempts, request, id);
        const { secrets: places = [] } = await attempts.specOf(id);
        return { values: await secrets.open(places.map(({ name }) => name)) };
      },
    );
  };
}
