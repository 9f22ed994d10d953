import { type Delivery, newId, WEBHOOK_LIMITS, type Webhook } from '@trainyard/protocol';
import { sql } from 'kysely';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openSecretBox } from '../auth/secret-box.ts';
import { createLiveBus } from '../live/live-bus.ts';
import { type Database, openDatabase } from '../store/database.ts';
import { migrate } from '../store/migrate.ts';
import { createWebhookStore, type WebhookStore } from '../store/webhooks.ts';
import { type HttpReceiver, startHttpReceiver } from '../testing/http-receiver.ts';
import { describeDatabases, type TestDatabase, testDatabase } from '../testing/index.ts';
import { eventually } from '../testing/test-server.ts';
import { createWebhookSender, type WebhookSender } from './webhook-sender.ts';

const START_MS = Date.UTC(2026, 0, 1);
const SECRET_KEY = 'a key of at least thirty-two characters';

let place: TestDatabase;
let database: Database;
let store: WebhookStore;
let receiver: HttpReceiver;
let nowMs: number;

const secrets = () => openSecretBox({ dataDir: '/nowhere', secretKey: SECRET_KEY });
const newSender = async (timeoutMs = 5000): Promise<WebhookSender> =>
  createWebhookSender({
    database,
    bus: createLiveBus(),
    log: pino({ level: 'silent' }),
    secrets: await secrets(),
    privateHosts: 'all',
    now: () => nowMs,
    random: () => 0.5,
    timeoutMs,
  });
/** One round, until everything that it sent was answered. */
const round = async (sender: WebhookSender): Promise<void> => {
  while (await sender.tick());
  await sender.idle();
};
const addWebhook = async (): Promise<string> => {
  const id = newId('whk');
  const box = await secrets();
  await store.add({
    id,
    url: receiver.url,
    events: ['run.finished'],
    eventTypes: ['run.finished'],
    pipeline: null,
    secret: box.seal(Buffer.from('secret'), id),
    secretKeyId: box.keyId,
    createdAt: new Date(nowMs),
  });
  return id;
};
/** A run that has ended, with its event, in one transaction; `abort` undoes it. */
const finishRun = async (count = 1, abort = false): Promise<void> => {
  await database.kysely
    .transaction()
    .execute(async (trx) => {
      for (let i = 0; i < count; i += 1) {
        const id = newId('run');
        await sql`insert into definitions values ('x', '{}', '') on conflict do nothing`.execute(trx);
        await sql`insert into trees (root_id, name, status, definition_sha256, created_at)
          values (${id}, 'p', 'completed', 'x', now())`.execute(trx);
        await sql`insert into runs (id, root_id, node_index, depth, kind, name, path, status, created_at)
          values (${id}, ${id}, 0, 0, 'pipeline', 'p', '', 'completed', now())`.execute(trx);
        await sql`insert into events (root_id, seq, run_id, type, at, data)
          values (${id}, 1, ${id}, 'run.finished', now(), '{"status":"completed"}')`.execute(trx);
      }
      if (abort) throw new Error('aborted');
    })
    .catch((error: unknown) => {
      if (!abort) throw error;
    });
};
const deliveries = async (webhookId: string): Promise<Delivery[]> =>
  (await store.deliveries({ webhookId, limit: 100 })).items;

describeDatabases('the webhook sender', (engine) => {
  beforeEach(async () => {
    place = await testDatabase({ engine });
    database = await openDatabase({
      connection: place.url,
      schema: place.schema,
      maxConnections: 4,
      onConnectionError: () => {},
    });
    await migrate(database);
    store = createWebhookStore(database, (await secrets()).keyId);
    receiver = await startHttpReceiver();
    nowMs = START_MS;
  });
  afterEach(async () => {
    await database.close();
    await receiver.end();
    await place.drop();
  });

  it('tries again later and later with the same id and bytes, and gives up in the end', async () => {
    const id = await addWebhook();
    receiver.reply = () => ({ status: 503 });
    const sender = await newSender();
    await finishRun();
    const waits: number[] = [];
    for (;;) {
      await round(sender);
      const [delivery] = await deliveries(id);
      if (delivery!.status === 'failed') break;
      const next = Date.parse(delivery!.nextAttemptAt!);
      waits.push((next - nowMs) / 1000);
      nowMs = next - 1;
      await round(sender);
      nowMs = next;
    }
    expect(waits).toEqual([5, 20, 80, 320, 1280, 5120, 20_480, 21_600, 21_600]);
    expect(receiver.received).toHaveLength(WEBHOOK_LIMITS.attempts);
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
    expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);
    // Each attempt is signed with its own time, so that receivers may refuse old ones.
    expect(new Set(receiver.received.map(({ headers }) => headers['webhook-timestamp'])).size).toBe(
      WEBHOOK_LIMITS.attempts,
    );
  });

  it('sends again what another sender had taken and never finished', async () => {
    const id = await addWebhook();
    receiver.reply = () => 'never';
    const dead = await newSender(60_000);
    await finishRun();
    await dead.tick();
    await eventually(() => receiver.received[0]);
    const other = await newSender();
    receiver.reply = () => ({ status: 200 });
    nowMs += 59_999;
    await round(other);
    expect(await deliveries(id)).toMatchObject([{ status: 'pending', attempts: 1 }]);
    nowMs += 1;
    await round(other);
    expect(await deliveries(id)).toMatchObject([{ status: 'delivered', attempts: 2 }]);
    // What the first one learns after all changes nothing any more.
    await dead.stop();
    expect(await deliveries(id)).toMatchObject([{ status: 'delivered', attempts: 2 }]);
  });

  it('gives back at once what it was sending when it is stopped', async () => {
    const id = await addWebhook();
    receiver.reply = () => 'never';
    const sender = await newSender(60_000);
    await finishRun();
    await sender.tick();
    await sender.stop();
    const [delivery] = await deliveries(id);
    expect(delivery).toMatchObject({ status: 'pending', attempts: 0 });
    expect(delivery!.nextAttemptAt).toBe(new Date(nowMs).toISOString());
  });

  it('counts no answer in time as a failed attempt', async () => {
    const id = await addWebhook();
    receiver.reply = () => 'never';
    const sender = await newSender(50);
    await finishRun();
    await round(sender);
    expect(await deliveries(id)).toMatchObject([
      { status: 'pending', attempts: 1, responseStatus: null, error: 'no answer within 0.05 s' },
    ]);
  });

  it('makes messages of committed events only, and of those from before the webhook none', async () => {
    const sender = await newSender();
    await finishRun();
    const id = await addWebhook();
    await finishRun(1, true);
    await round(sender);
    expect(await deliveries(id)).toEqual([]);
    await finishRun(3);
    const two = await newSender();
    await Promise.all([round(sender), round(two)]);
    await round(sender);
    expect(await deliveries(id)).toHaveLength(3);
    expect(receiver.received).toHaveLength(3);
    const { rows } = await sql`select 1 from webhook_outbox`.execute(database.kysely);
    expect(rows).toEqual([]);
  });

  it('keeps messages beyond the limit of what may wait as failed', async () => {
    const id = await addWebhook();
    await sql`insert into webhook_deliveries (id, webhook_id, type, body, status, next_attempt_at, created_at)
      select 'msg_' || n, ${id}, 'run.finished', '', 'pending', now() + interval '100 years', now()
      from generate_series(1, ${WEBHOOK_LIMITS.pendingPerWebhook - 1}) n`.execute(database.kysely);
    await finishRun(3);
    await round(await newSender());
    const webhook: Webhook | undefined = await store.find(id);
    expect(webhook?.deliveries).toEqual({
      pending: WEBHOOK_LIMITS.pendingPerWebhook - 1,
      delivered: 1,
      failed: 2,
    });
    const { items } = await store.deliveries({ webhookId: id, status: 'failed', limit: 10 });
    expect(items[0]).toMatchObject({ attempts: 0, error: 'not sent: 10000 messages wait already' });
  });

  it('removes deliveries that ended long ago', async () => {
    const id = await addWebhook();
    await finishRun();
    await round(await newSender());
    expect(await deliveries(id)).toHaveLength(1);
    nowMs += (WEBHOOK_LIMITS.keepDays + 1) * 86_400_000;
    await round(await newSender());
    expect(await deliveries(id)).toEqual([]);
  });
});
