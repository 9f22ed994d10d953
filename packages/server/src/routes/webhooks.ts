import {
  createdWebhook,
  createWebhook,
  delivery,
  listDeliveriesQuery,
  newId,
  page,
  TrainyardError,
  WEBHOOK_TEST,
  type Webhook,
  webhook,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ServerContext } from '../server-context.ts';
import { createWebhookStore } from '../store/webhooks.ts';
import { newSigningSecret, signingKey } from '../webhooks/signature.ts';
import { readTarget } from '../webhooks/target-guard.ts';
import { storedTypes, testMessageBody } from '../webhooks/webhook-message.ts';

const idParams = z.object({ id: z.string().max(100) });
const TAGS = ['webhooks'];

/**
 * Webhooks out. All of them ask for write access: addresses of receivers are often secrets themselves, so
 * those who may only read do not see them.
 */
export function webhookRoutes(context: ServerContext): FastifyPluginAsyncZod {
  const { secrets, webhookSender } = context;
  const store = createWebhookStore(context.database, secrets.keyId);
  const find = async (id: string): Promise<Webhook> => {
    const found = await store.find(id);
    if (found === undefined) throw new TrainyardError('NOT_FOUND', `There is no webhook ${id}.`);
    return found;
  };

  return async (app) => {
    app.post(
      '/webhooks',
      {
        config: { access: 'write' },
        schema: { tags: TAGS, body: createWebhook, response: { 201: createdWebhook } },
      },
      async ({ body }, reply) => {
        const secret = body.secret ?? newSigningSecret();
        const url = readTarget(body.url);
        const id = newId('whk');
        await store.add({
          id,
          url: url.href,
          events: [...new Set(body.events)],
          eventTypes: storedTypes(body.events),
          pipeline: body.pipeline ?? null,
          secret: secrets.seal(signingKey(secret), id),
          secretKeyId: secrets.keyId,
          createdAt: new Date(),
        });
        const warning = await webhookSender.whyNotSent(url);
        return reply.status(201).send({ webhook: await find(id), secret, warning });
      },
    );

    app.get(
      '/webhooks',
      {
        config: { access: 'write' },
        schema: { tags: TAGS, response: { 200: z.object({ items: z.array(webhook) }) } },
      },
      async () => ({ items: await store.list() }),
    );

    app.get(
      '/webhooks/:id',
      { config: { access: 'write' }, schema: { tags: TAGS, params: idParams, response: { 200: webhook } } },
      (request) => find(request.params.id),
    );

    app.delete(
      '/webhooks/:id',
      { config: { access: 'write' }, schema: { tags: TAGS, params: idParams, response: { 204: z.null() } } },
      async (request, reply) => {
        const { id } = request.params;
        if (!(await store.remove(id))) throw new TrainyardError('NOT_FOUND', `There is no webhook ${id}.`);
        return reply.status(204).send(null);
      },
    );

    app.post(
      '/webhooks/:id/test',
      {
        config: { access: 'write' },
        schema: { tags: TAGS, params: idParams, response: { 202: delivery } },
      },
      async (request, reply) => {
        const { id: webhookId } = await find(request.params.id);
        const createdAt = new Date();
        const id = newId('msg');
        const body = testMessageBody(WEBHOOK_TEST, webhookId, createdAt.toISOString());
        await store.addMessage({ id, webhookId, type: WEBHOOK_TEST, body, createdAt });
        webhookSender.wake();
        return reply.status(202).send(await findDelivery(id));
      },
    );

    app.get(
      '/webhooks/:id/deliveries',
      {
        config: { access: 'write' },
        schema: {
          tags: TAGS,
          params: idParams,
          querystring: listDeliveriesQuery,
          response: { 200: page(delivery) },
        },
      },
      async (request) => {
        const { id: webhookId } = await find(request.params.id);
        return store.deliveries({ webhookId, ...request.query });
      },
    );

    app.get(
      '/webhook-deliveries/:id',
      { config: { access: 'write' }, schema: { tags: TAGS, params: idParams, response: { 200: delivery } } },
      (request) => findDelivery(request.params.id),
    );

    app.post(
      '/webhook-deliveries/:id/redeliver',
      { config: { access: 'write' }, schema: { tags: TAGS, params: idParams, response: { 202: delivery } } },
      async (request, reply) => {
        const { id } = request.params;
        const again = await store.redeliver(id, new Date());
        if (again === undefined) throw noDelivery(id);
        webhookSender.wake();
        return reply.status(202).send(again);
      },
    );
  };

  async function findDelivery(id: string) {
    const found = await store.findDelivery(id);
    if (found === undefined) throw noDelivery(id);
    return found;
  }
}

function noDelivery(id: string): TrainyardError {
  return new TrainyardError(
    'NOT_FOUND',
    `There is no delivery ${id}; those that ended are removed after a while.`,
  );
}
