import type { Client } from '@trainyard/client';
import {
  type CreateWebhook,
  DELIVERY_STATUSES,
  type Delivery,
  type DeliveryStatus,
  EXIT,
  TrainyardError,
  WEBHOOK_EVENTS,
  type WebhookEvent,
} from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { pause } from '../interrupt.ts';
import { secretFromEnv } from '../options/secret-option.ts';
import { table } from '../view/table.ts';
import { withServer } from './runs.ts';

export interface AddWebhookOptions {
  readonly events?: string;
  readonly pipeline?: string;
  readonly secretEnv?: string;
}

export interface DeliveriesOptions {
  readonly status?: string;
  readonly limit: number;
}

/** How long `webhooks test` waits for the first attempt. */
const TEST_WAIT_MS = 30_000;
const POLL_MS = 200;

export function addWebhookCommand(
  context: CliContext,
  address: string,
  options: AddWebhookOptions,
): Promise<number> {
  const body: CreateWebhook = {
    url: address,
    ...(options.events === undefined ? {} : { events: readEvents(options.events) }),
    ...(options.pipeline === undefined ? {} : { pipeline: options.pipeline }),
    ...(options.secretEnv === undefined ? {} : { secret: secretFromEnv(options.secretEnv) }),
  };
  return withServer(
    context,
    async ({ client }) => {
      const { webhook, secret, warning } = await client.webhooks.add(body);
      if (context.json) {
        context.out(`${JSON.stringify({ ...webhook, secret, warning })}\n`);
        return EXIT.ok;
      }
      if (body.secret === undefined) {
        context.err(`The secret is shown once; the receiver checks signatures with it:\n${secret}\n`);
      }
      if (warning !== null) {
        context.err(`${context.errStyle.yellow('warning')} nothing will be sent: ${warning}\n`);
      }
      context.out(`${webhook.id}\n`);
      return EXIT.ok;
    },
    { once: true },
  );
}

export function listWebhooksCommand(context: CliContext): Promise<number> {
  return withServer(context, async ({ client }) => {
    const webhooks = await client.webhooks.list();
    if (context.json) {
      context.out(`${JSON.stringify(webhooks, null, 2)}\n`);
      return EXIT.ok;
    }
    if (webhooks.length === 0) context.err('No webhooks.\n');
    const rows = webhooks.map(({ id, url, events, pipeline, deliveries }) => [
      id,
      url,
      events.join(', '),
      pipeline ?? 'all',
      String(deliveries.delivered),
      String(deliveries.pending),
      String(deliveries.failed),
    ]);
    context.out(table(['id', 'url', 'events', 'pipeline', 'delivered', 'pending', 'failed'], rows));
    return EXIT.ok;
  });
}

export function showWebhookCommand(context: CliContext, id: string): Promise<number> {
  return withServer(context, async ({ client }) => {
    const webhook = await client.webhooks.get(id);
    if (context.json) {
      context.out(`${JSON.stringify(webhook, null, 2)}\n`);
      return EXIT.ok;
    }
    const { url, events, pipeline, createdAt, deliveries, canSign } = webhook;
    context.out(`${id}  ${url}\n`);
    context.out(
      `events     ${events.join(', ')}\npipeline   ${pipeline ?? 'all'}\ncreated    ${createdAt}\n`,
    );
    const counts = Object.entries(deliveries).map(([status, count]) => `${count} ${status}`);
    context.out(`deliveries ${counts.join(', ')}\n`);
    if (!canSign) {
      context.err(
        'This server has another secret key and cannot sign for this webhook: start it with the TRAINYARD_SECRET_KEY, or on the data directory, with which the webhook was added.\n',
      );
    }
    return EXIT.ok;
  });
}

export function removeWebhookCommand(context: CliContext, id: string): Promise<number> {
  return withServer(context, async ({ client }) => {
    await client.webhooks.remove(id);
    context.out(context.json ? `${JSON.stringify({ id, removed: true })}\n` : `${id} removed\n`);
    return EXIT.ok;
  });
}

/** Sends a test message and waits for its first attempt. */
export function testWebhookCommand(context: CliContext, id: string): Promise<number> {
  return withServer(
    context,
    async ({ client }) => reportAttempt(context, client, await client.webhooks.test(id)),
    { once: true },
  );
}

export function redeliverCommand(context: CliContext, id: string): Promise<number> {
  return withServer(
    context,
    async ({ client }) => reportAttempt(context, client, await client.webhooks.redeliver(id)),
    { once: true },
  );
}

export function listDeliveriesCommand(
  context: CliContext,
  id: string,
  options: DeliveriesOptions,
): Promise<number> {
  const status = options.status === undefined ? undefined : readStatus(options.status);
  return withServer(context, async ({ client }) => {
    const items: Delivery[] = [];
    for (let cursor: string | null = ''; cursor !== null && items.length < options.limit; ) {
      const page = await client.webhooks.deliveries(id, {
        limit: Math.min(500, options.limit - items.length),
        ...(status === undefined ? {} : { status }),
        ...(cursor === '' ? {} : { cursor }),
      });
      items.push(...page.items);
      cursor = page.nextCursor;
    }
    if (context.json) {
      context.out(`${JSON.stringify(items, null, 2)}\n`);
      return EXIT.ok;
    }
    if (items.length === 0) context.err('No deliveries.\n');
    const rows = items.map((one) => [
      one.id,
      one.type,
      one.rootId ?? '-',
      one.status,
      String(one.attempts),
      one.nextAttemptAt ?? '-',
      one.error ?? (one.responseStatus === null ? '-' : String(one.responseStatus)),
    ]);
    context.out(table(['id', 'type', 'run', 'status', 'attempts', 'next attempt', 'result'], rows));
    return EXIT.ok;
  });
}

async function reportAttempt(context: CliContext, client: Client, begun: Delivery): Promise<number> {
  const signal = AbortSignal.timeout(TEST_WAIT_MS);
  let found = begun;
  const hasResult = (): boolean =>
    found.status !== 'pending' || found.error !== null || found.responseStatus !== null;
  while (!hasResult() && !signal.aborted) {
    await pause(POLL_MS, signal);
    found = await client.webhooks.getDelivery(begun.id);
  }
  if (context.json) context.out(`${JSON.stringify(found)}\n`);
  else if (found.status === 'delivered') {
    context.out(`${found.id} delivered: ${found.responseStatus} in ${found.durationMs} ms\n`);
  } else {
    const next = found.nextAttemptAt === null ? '' : `; next attempt at ${found.nextAttemptAt}`;
    context.out(`${found.id} ${found.status}: ${found.error ?? 'no attempt yet'}${next}\n`);
    if (found.responseBody !== null && found.responseBody !== '') context.err(`${found.responseBody}\n`);
  }
  return found.status === 'delivered' ? EXIT.ok : EXIT.failed;
}

function readEvents(text: string): WebhookEvent[] {
  const names = text.split(',').map((name) => name.trim());
  return names.map((name) => {
    if (Object.hasOwn(WEBHOOK_EVENTS, name)) return name as WebhookEvent;
    throw new TrainyardError(
      'USAGE',
      `--events: there is no event "${name}"; there are ${Object.keys(WEBHOOK_EVENTS).join(', ')}.`,
    );
  });
}

function readStatus(text: string): DeliveryStatus {
  if (Object.hasOwn(DELIVERY_STATUSES, text)) return text as DeliveryStatus;
  throw new TrainyardError(
    'USAGE',
    `--status "${text}" is none of ${Object.keys(DELIVERY_STATUSES).join(', ')}.`,
  );
}
