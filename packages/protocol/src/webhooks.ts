import { z } from 'zod';
import { idCursor } from './page-cursor.ts';

/** What a webhook may ask for. A message carries the most exact name that its webhook asked for. */
export const WEBHOOK_EVENTS = {
  'run.created': 'A run was accepted.',
  'run.started': 'The first stage of a run started.',
  'run.finished': 'A run ended, however it ended.',
  'run.completed': 'A run completed, or stopped early under control.',
  'run.failed': 'A run failed or timed out.',
  'run.cancelled': 'A run was cancelled.',
  'stage.finished': 'A stage of a run ended, however it ended, or was skipped.',
  'stage.failed': 'A stage of a run failed or timed out.',
  'approval.requested': 'A stage waits for a person.',
  'approval.escalated': 'Nobody decided about a stage in time; others may decide as well now.',
  'approval.decided': 'A person decided about a stage, or its time was up.',
} as const;
export type WebhookEvent = keyof typeof WEBHOOK_EVENTS;
const webhookEvents = Object.keys(WEBHOOK_EVENTS) as [WebhookEvent, ...WebhookEvent[]];

/** The type of the message that `webhooks test` sends. */
export const WEBHOOK_TEST = 'webhook.test';

/** Every state of a delivery, with what it means. */
export const DELIVERY_STATUSES = {
  pending: 'Not delivered yet: it is due, being sent, or waits for its next attempt.',
  delivered: 'The receiver answered with a status from 200 to 299.',
  failed: 'Given up: all attempts failed, or the receiver said that it is gone.',
} as const;
export type DeliveryStatus = keyof typeof DELIVERY_STATUSES;
const deliveryStatus = z.enum(Object.keys(DELIVERY_STATUSES) as [DeliveryStatus, ...DeliveryStatus[]]);

export const WEBHOOK_LIMITS = {
  webhooks: 100,
  urlLength: 2000,
  /** Messages of one webhook that may wait; more are kept as failed, and can be sent again by hand. */
  pendingPerWebhook: 10_000,
  bodyBytes: 64 * 1024,
  /** Of the receiver's answer, for people who look for a fault. */
  responseBytes: 1024,
  attempts: 10,
  /** Deliveries that have ended are kept this long. */
  keepDays: 30,
} as const;

/** Pipeline names as a webhook's filter. */
const pipelineName = z.string().min(1).max(200);

export const createWebhook = z.strictObject({
  url: z.string().min(1).max(WEBHOOK_LIMITS.urlLength),
  events: z.array(z.enum(webhookEvents)).min(1).max(webhookEvents.length).default(['run.finished']),
  /** Only runs of the pipeline with this name. */
  pipeline: pipelineName.optional(),
  /** `whsec_` and Base64 of 24 to 64 bytes, or any text of 16 to 256 characters. Made when left out. */
  secret: z.string().min(16).max(256).optional(),
});
export type CreateWebhook = z.input<typeof createWebhook>;

export const webhook = z.object({
  id: z.string(),
  url: z.string(),
  events: z.array(z.enum(webhookEvents)),
  pipeline: z.string().nullable(),
  createdAt: z.iso.datetime(),
  /** Deliveries by status; those that ended long ago are not counted any more. */
  deliveries: z.record(deliveryStatus, z.int()),
  /** False when the server that answers has another secret key and so cannot sign for it. */
  canSign: z.boolean(),
});
export type Webhook = z.infer<typeof webhook>;

/** The answer to its creation: the only time that the secret is shown. */
export const createdWebhook = z.object({
  webhook,
  secret: z.string(),
  /** Why this server will send nothing to the address, such as a private one, and what to do; null for no reason. */
  warning: z.string().nullable(),
});
export type CreatedWebhook = z.infer<typeof createdWebhook>;

export const delivery = z.object({
  /** The `webhook-id` header: the same for every attempt. */
  id: z.string(),
  webhookId: z.string(),
  type: z.string(),
  rootId: z.string().nullable(),
  status: deliveryStatus,
  attempts: z.int(),
  /** When it is sent next; null when nothing more will happen by itself. */
  nextAttemptAt: z.iso.datetime().nullable(),
  responseStatus: z.int().nullable(),
  responseBody: z.string().nullable(),
  /** What went wrong at the last attempt. */
  error: z.string().nullable(),
  durationMs: z.int().nullable(),
  createdAt: z.iso.datetime(),
  endedAt: z.iso.datetime().nullable(),
});
export type Delivery = z.infer<typeof delivery>;

export const listDeliveriesQuery = z.object({
  status: deliveryStatus.optional(),
  limit: z.coerce.number().int().min(1).max(500).default(50),
  cursor: idCursor('msg'),
});
