import {
  type Delivery,
  type DeliveryStatus,
  TrainyardError,
  WEBHOOK_LIMITS,
  type Webhook,
  type WebhookEvent,
} from '@trainyard/protocol';
import { type Selectable, sql } from 'kysely';
import type { WebhookDeliveriesTable, WebhooksTable } from './automation-schema.ts';
import type { Database } from './database.ts';

export interface NewWebhook {
  readonly id: string;
  readonly url: string;
  readonly events: readonly WebhookEvent[];
  readonly eventTypes: readonly string[];
  readonly pipeline: string | null;
  readonly secret: Buffer;
  readonly secretKeyId: string;
  readonly createdAt: Date;
}

/** Webhooks and their deliveries, for those who manage them. */
export interface WebhookStore {
  /** @throws TrainyardError CONFLICT when there are too many */
  add(webhook: NewWebhook): Promise<void>;
  list(): Promise<Webhook[]>;
  find(id: string): Promise<Webhook | undefined>;
  /** With its deliveries. False when there is none. */
  remove(id: string): Promise<boolean>;
  addMessage(message: {
    id: string;
    webhookId: string;
    type: string;
    body: string;
    createdAt: Date;
  }): Promise<void>;
  deliveries(query: {
    readonly webhookId: string;
    readonly status?: DeliveryStatus | undefined;
    readonly cursor?: string | undefined;
    readonly limit: number;
  }): Promise<{ items: Delivery[]; nextCursor: string | null }>;
  findDelivery(id: string): Promise<Delivery | undefined>;
  /** Makes a delivery due at once, with all its attempts before it. */
  redeliver(id: string, at: Date): Promise<Delivery | undefined>;
}

export function createWebhookStore({ kysely }: Database, keyId: string): WebhookStore {
  const read = async (id: string | null): Promise<Webhook[]> => {
    const { rows } = await sql<Selectable<WebhooksTable> & { counts: Record<DeliveryStatus, number> | null }>`
      select w.*, (
        select jsonb_object_agg(c.status, c.n) from (
          select status, count(*) as n from webhook_deliveries d where d.webhook_id = w.id group by status) c
      ) as counts
      from webhooks w where ${id}::text is null or w.id = ${id}
      order by w.id`.execute(kysely);
    return rows.map((row) => toWebhook(row, keyId));
  };

  return {
    async add(webhook) {
      // Two at once may pass the limit by one, which harms nobody.
      const { rows } = await sql`
        insert into webhooks (id, url, events, event_types, pipeline, secret, secret_key_id, created_at)
        select ${webhook.id}, ${webhook.url}, ${webhook.events}::text[], ${webhook.eventTypes}::text[],
          ${webhook.pipeline}, ${webhook.secret}, ${webhook.secretKeyId}, ${webhook.createdAt}::timestamptz
        where (select count(*) from webhooks) < ${WEBHOOK_LIMITS.webhooks}
        returning id`.execute(kysely);
      if (rows.length > 0) return;
      throw new TrainyardError(
        'CONFLICT',
        `There are ${WEBHOOK_LIMITS.webhooks} webhooks already; remove one first: trainyard webhooks remove ID`,
      );
    },
    list: () => read(null),
    find: async (id) => (await read(id))[0],
    async remove(id) {
      const { numDeletedRows } = await kysely
        .deleteFrom('webhooks')
        .where('id', '=', id)
        .executeTakeFirstOrThrow();
      return numDeletedRows > 0n;
    },
    async addMessage({ id, webhookId, type, body, createdAt }) {
      await sql`
        insert into webhook_deliveries (id, webhook_id, type, body, status, next_attempt_at, created_at)
        values (${id}, ${webhookId}, ${type}, ${body}, 'pending', ${createdAt}, ${createdAt})`.execute(
        kysely,
      );
    },
    async deliveries({ webhookId, status, cursor, limit }) {
      let select = kysely
        .selectFrom('webhook_deliveries')
        .selectAll()
        .where('webhook_id', '=', webhookId)
        .orderBy('id', 'desc')
        .limit(limit + 1);
      if (status !== undefined) select = select.where('status', '=', status);
      if (cursor !== undefined) select = select.where('id', '<', cursor);
      const rows = await select.execute();
      const items = rows.slice(0, limit).map(toDelivery);
      return { items, nextCursor: rows.length > limit ? items[items.length - 1]!.id : null };
    },
    async findDelivery(id) {
      const row = await kysely
        .selectFrom('webhook_deliveries')
        .selectAll()
        .where('id', '=', id)
        .executeTakeFirst();
      return row === undefined ? undefined : toDelivery(row);
    },
    async redeliver(id, at) {
      const { rows } = await sql<Selectable<WebhookDeliveriesTable>>`
        update webhook_deliveries
        set attempts = case when status = 'pending' then attempts else 0 end,
            status = 'pending', next_attempt_at = ${at}::timestamptz, ended_at = null,
            response_status = null, response_body = null, error = null, duration_ms = null
        where id = ${id} returning *`.execute(kysely);
      return rows[0] === undefined ? undefined : toDelivery(rows[0]);
    },
  };
}

function toWebhook(
  row: Selectable<WebhooksTable> & { counts: Record<DeliveryStatus, number> | null },
  keyId: string,
): Webhook {
  return {
    id: row.id,
    url: row.url,
    events: row.events as WebhookEvent[],
    pipeline: row.pipeline,
    createdAt: row.created_at.toISOString(),
    deliveries: { pending: 0, delivered: 0, failed: 0, ...row.counts },
    canSign: row.secret_key_id === keyId,
  };
}

function toDelivery(row: Selectable<WebhookDeliveriesTable>): Delivery {
  return {
    id: row.id,
    webhookId: row.webhook_id,
    type: row.type,
    rootId: row.root_id,
    status: row.status,
    attempts: row.attempts,
    nextAttemptAt: row.next_attempt_at?.toISOString() ?? null,
    responseStatus: row.response_status,
    responseBody: row.response_body,
    error: row.error,
    durationMs: row.duration_ms,
    createdAt: row.created_at.toISOString(),
    endedAt: row.ended_at?.toISOString() ?? null,
  };
}
