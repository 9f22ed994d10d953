import type { CreatedWebhook, CreateWebhook, Delivery, DeliveryStatus, Webhook } from '@trainyard/protocol';
import type { CallOptions, Page } from './client.ts';
import { type ConnectionOptions, type HttpRequest, send, sendForJson } from './http.ts';

/** Webhooks out: who is told about runs, and what became of each message. */
export function createWebhooksClient(connection: ConnectionOptions) {
  const json = <T>(request: HttpRequest) => sendForJson<T>(connection, request);
  return {
    /** The secret is answered once and never again. */
    add: (body: CreateWebhook, options: CallOptions = {}) =>
      json<CreatedWebhook>({ method: 'POST', path: '/api/v1/webhooks', json: body, ...options }),

    list: async (options: CallOptions = {}) =>
      (await json<{ items: Webhook[] }>({ path: '/api/v1/webhooks', ...options })).items,

    get: (id: string, options: CallOptions = {}) => json<Webhook>({ path: webhookPath(id), ...options }),

    async remove(id: string, options: CallOptions = {}): Promise<void> {
      await send(connection, { method: 'DELETE', path: webhookPath(id), ...options });
    },

    /** Sends a message of type `webhook.test`; its delivery tells what came of it. */
    test: (id: string, options: CallOptions = {}) =>
      json<Delivery>({ method: 'POST', path: `${webhookPath(id)}/test`, ...options }),

    /** Newest first. */
    deliveries: (
      id: string,
      { signal, ...query }: CallOptions & { status?: DeliveryStatus; limit?: number; cursor?: string } = {},
    ) => json<Page<Delivery>>({ path: `${webhookPath(id)}/deliveries`, query, signal }),

    getDelivery: (id: string, options: CallOptions = {}) =>
      json<Delivery>({ path: deliveryPath(id), ...options }),

    redeliver: (id: string, options: CallOptions = {}) =>
      json<Delivery>({ method: 'POST', path: `${deliveryPath(id)}/redeliver`, ...options }),
  };
}

function webhookPath(id: string): string {
  return `/api/v1/webhooks/${encodeURIComponent(id)}`;
}

function deliveryPath(id: string): string {
  return `/api/v1/webhook-deliveries/${encodeURIComponent(id)}`;
}
