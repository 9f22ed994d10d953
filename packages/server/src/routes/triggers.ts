import { createdTrigger, createTrigger, newId, trigger } from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { checkCondition, checkTemplates } from '../definition/index.ts';
import { checkStartable } from '../pipelines/check-automation.ts';
import type { ServerContext } from '../server-context.ts';
import { createTriggerStore } from '../store/triggers.ts';
import { newSigningSecret, signingKey } from '../webhooks/signature.ts';

const nameParams = z.object({ name: z.string().max(200) });
const TAGS = ['triggers'];

/** Triggers: which signed messages from outside start runs of which pipeline. */
export function triggerRoutes(context: ServerContext): FastifyPluginAsyncZod {
  const { database, secrets } = context;
  const store = createTriggerStore(database, secrets.keyId);
  return async (app) => {
    app.post(
      '/triggers',
      {
        config: { access: 'write' },
        schema: { tags: TAGS, body: createTrigger, response: { 201: createdTrigger } },
      },
      async ({ body }, reply) => {
        checkTemplates(body.params, 'payload');
        if (body.when !== undefined) checkCondition(body.when, 'payload');
        await checkStartable(context, body);
        const secret = body.secret ?? newSigningSecret();
        signingKey(secret);
        const id = newId('trg');
        const added = await store.add({
          ...body,
          id,
          when: body.when ?? null,
          secret: secrets.seal(Buffer.from(secret, 'utf8'), id),
          secretKeyId: secrets.keyId,
          createdAt: new Date(),
        });
        return reply.status(201).send({ trigger: added, secret });
      },
    );

    app.get(
      '/triggers',
      {
        config: { access: 'read' },
        schema: { tags: TAGS, response: { 200: z.object({ items: z.array(trigger) }) } },
      },
      async () => ({ items: await store.list() }),
    );

    app.get(
      '/triggers/:name',
      { config: { access: 'read' }, schema: { tags: TAGS, params: nameParams, response: { 200: trigger } } },
      (request) => store.get(request.params.name),
    );

    app.delete(
      '/triggers/:name',
      {
        config: { access: 'write' },
        schema: { tags: TAGS, params: nameParams, response: { 204: z.null() } },
      },
      async (request, reply) => {
        await store.remove(request.params.name);
        return reply.status(204).send(null);
      },
    );
  };
}
