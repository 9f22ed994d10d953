import type { CreatedWebhook, Delivery, Webhook } from '@trainyard/protocol';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expectError } from '../testing/expect-error.ts';
import { type HttpReceiver, startHttpReceiver } from '../testing/http-receiver.ts';
import { describeDatabases } from '../testing/index.ts';
import { eventually, expectStatus, startTestServer, type TestServer } from '../testing/test-server.ts';
import { hasValidSignature, signingKey } from '../webhooks/signature.ts';

const ONE = 'name: one\nstages:\n  - { name: a, job: { command: "true" } }\n';

let t: TestServer;
let receiver: HttpReceiver;
beforeEach(async () => {
  receiver = await startHttpReceiver();
});
afterEach(async () => {
  await t.end();
  await receiver.end();
});

const add = async (body: object = {}): Promise<CreatedWebhook> =>
  expectStatus(await t.call<CreatedWebhook>('POST', '/api/v1/webhooks', { url: receiver.url, ...body }), 201);
const deliveries = async (id: string): Promise<Delivery[]> =>
  expectStatus(await t.call<{ items: Delivery[] }>('GET', `/api/v1/webhooks/${id}/deliveries`), 200).items;
const settled = (id: string, count: number): Promise<Delivery[]> =>
  eventually(async () => {
    const found = await deliveries(id);
    return found.length === count && found.every(({ status }) => status !== 'pending') ? found : undefined;
  });
/** Runs a pipeline of one stage to its end. */
const runOnce = async (outcome: 'completed' | 'failed' = 'completed', source = ONE): Promise<string> => {
  const agent = await t.agent();
  const id = await t.submit(source);
  await agent.report(await agent.take(), { outcome });
  await t.treeWhen(id, ({ endedAt }) => endedAt !== null);
  return id;
};

describeDatabases('webhooks out', (engine) => {
  beforeEach(async () => {
    t = await startTestServer(engine, { privateWebhookHosts: 'all' });
  });

  it('tell a receiver once about the end of a run, signed', async () => {
    const { webhook, secret } = await add();
    const id = await runOnce();
    const [message] = await eventually(() => (receiver.received.length > 0 ? receiver.received : undefined));
    const header = (name: string) => String(message!.headers[name]);
    const signed = {
      id: header('webhook-id'),
      timestamp: header('webhook-timestamp'),
      signature: header('webhook-signature'),
      body: Buffer.from(message!.body),
    };
    expect(hasValidSignature(signingKey(secret), signed, Date.now())).toBe(true);
    expect(JSON.parse(message!.body)).toMatchObject({
      type: 'run.finished',
      timestamp: expect.any(String),
      data: {
        run: { id, name: 'one', status: 'completed', error: null, stages: { completed: 1 } },
        event: { type: 'run.finished', rootId: id, path: '', data: { status: 'completed' } },
      },
    });
    const [delivery] = await settled(webhook.id, 1);
    expect(delivery).toMatchObject({
      id: header('webhook-id'),
      type: 'run.finished',
      rootId: id,
      status: 'delivered',
      attempts: 1,
      responseStatus: 204,
      nextAttemptAt: null,
    });
    expect(receiver.received).toHaveLength(1);
  });

  it('send what was asked for, and only of the pipeline that was named', async () => {
    const some = await add({ events: ['run.failed', 'stage.failed', 'run.created'] });
    const other = await add({ pipeline: 'another' });
    const failed = await runOnce('failed');
    const completed = await runOnce('completed');
    const found = await settled(some.webhook.id, 4);
    expect(found.map(({ type, rootId }) => [rootId, type]).sort()).toEqual(
      [
        [failed, 'run.created'],
        [failed, 'run.failed'],
        [failed, 'stage.failed'],
        [completed, 'run.created'],
      ].sort(),
    );
    expect(await deliveries(other.webhook.id)).toEqual([]);
  });

  it('tell that a stage waits for a person, and what was decided', async () => {
    const { webhook } = await add({ events: ['approval.requested', 'approval.decided'] });
    const ask = 'name: ask\nstages:\n  - { name: review, approval: { message: Ship it? } }\n';
    const id = await t.submit(ask);
    await settled(webhook.id, 1);
    const review = (await t.tree(id)).children[0]!;
    expectStatus(await t.call('POST', `/api/v1/runs/${review.id}/approve`, {}), 200);
    const found = await settled(webhook.id, 2);
    expect(found.map(({ type }) => type)).toEqual(['approval.decided', 'approval.requested']);
    expect(JSON.parse(receiver.received[0]!.body)).toMatchObject({
      type: 'approval.requested',
      data: { run: { id, status: 'running' }, event: { path: 'review', data: { message: 'Ship it?' } } },
    });
  });

  it('store no secret that could be read, and never show it again', async () => {
    const { webhook, secret } = await add({ secret: 'a secret that I chose myself' });
    expect(secret).toBe('a secret that I chose myself');
    const client = new pg.Client(t.place.config);
    await client.connect();
    const { rows } = await client.query('select encode(secret, $1) as text from webhooks', ['escape']);
    await client.end();
    expect(rows[0].text).not.toContain('chose');
    const shown = await t.call<Webhook>('GET', `/api/v1/webhooks/${webhook.id}`);
    expect(shown.text).not.toContain('secret');
    expect(shown.body).toMatchObject({ canSign: true, deliveries: { pending: 0, delivered: 0, failed: 0 } });
  });

  it('refuse what cannot work, and store nothing of it', async () => {
    const refuse = async (body: object) =>
      expectError(await t.call('POST', '/api/v1/webhooks', body), 'INVALID_REQUEST');
    await refuse({ url: 'ftp://example.com' });
    await refuse({ url: receiver.url, events: ['run.exploded'] });
    await refuse({ url: receiver.url, events: [] });
    await refuse({ url: receiver.url, secret: 'short' });
    await refuse({ url: receiver.url, secret: 'whsec_not-base-64-at-all' });
    await refuse({ url: receiver.url, more: 1 });
    expect(expectStatus(await t.call<{ items: [] }>('GET', '/api/v1/webhooks'), 200).items).toEqual([]);
    for (const path of ['/webhooks/whk_no', '/webhooks/whk_no/deliveries', '/webhook-deliveries/msg_no']) {
      expectError(await t.call('GET', `/api/v1${path}`), 'NOT_FOUND');
    }
    expectError(await t.call('POST', '/api/v1/webhooks/whk_no/test'), 'NOT_FOUND');
    expectError(await t.call('POST', '/api/v1/webhook-deliveries/msg_no/redeliver'), 'NOT_FOUND');
    expectError(await t.call('DELETE', '/api/v1/webhooks/whk_no'), 'NOT_FOUND');
  });

  it('keep an answer short and do not follow a redirect', async () => {
    const { webhook } = await add();
    receiver.reply = () => ({
      status: 302,
      headers: { location: `${receiver.url}/other` },
      body: `\0${'x'.repeat(9000)}`,
    });
    expectStatus(await t.call('POST', `/api/v1/webhooks/${webhook.id}/test`), 202);
    const delivery = await eventually(async () =>
      (await deliveries(webhook.id)).find(({ error }) => error !== null),
    );
    expect(delivery).toMatchObject({
      type: 'webhook.test',
      status: 'pending',
      attempts: 1,
      responseStatus: 302,
      responseBody: `\ufffd${'x'.repeat(1023)}`,
      error: 'the receiver answered 302; redirects are not followed',
    });
    expect(receiver.received.map(({ path }) => path)).toEqual(['/']);
  });

  it('give up where the receiver is gone, and can be sent again by hand with the same id', async () => {
    const { webhook } = await add();
    receiver.reply = () => ({ status: 410 });
    await runOnce();
    const [given] = await settled(webhook.id, 1);
    expect(given).toMatchObject({ status: 'failed', attempts: 1, responseStatus: 410 });
    receiver.reply = () => ({ status: 200, body: 'thanks' });
    expectStatus(await t.call('POST', `/api/v1/webhook-deliveries/${given!.id}/redeliver`), 202);
    expect(await settled(webhook.id, 1)).toMatchObject([
      { id: given!.id, status: 'delivered', attempts: 1, responseBody: 'thanks' },
    ]);
    const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
    expect(ids).toEqual([given!.id, given!.id]);
  });

  it('are sent by one of several servers, once, and only by one that has the key', async () => {
    const key = 'a key that is known to both servers only';
    await t.end();
    t = await startTestServer(engine, { privateWebhookHosts: 'all', secretKey: key });
    const peers = [
      await t.peer({ privateWebhookHosts: 'all', secretKey: key }),
      await t.peer({ privateWebhookHosts: 'all' }),
    ];
    const { webhook } = await add();
    const agent = await t.agent();
    const all = [t, ...peers];
    const ids = await Promise.all(Array.from({ length: 12 }, (_, i) => all[i % 3]!.submit(ONE)));
    for (const _ of ids) await agent.report(await agent.take(), { outcome: 'completed' });
    const found = await settled(webhook.id, ids.length);
    expect(found.map(({ rootId }) => rootId).sort()).toEqual(ids.sort());
    expect(found.every(({ attempts }) => attempts === 1)).toBe(true);
    expect(receiver.received).toHaveLength(ids.length);
    const seen = await peers[1]!.call<Webhook>('GET', `/api/v1/webhooks/${webhook.id}`);
    expect(seen.body.canSign).toBe(false);
  });

  it('reach a quick receiver while another one never answers', async () => {
    const slow = await startHttpReceiver();
    slow.reply = () => 'never';
    await add({ url: slow.url });
    const { webhook } = await add();
    const agent = await t.agent();
    const ids = [];
    for (let i = 0; i < 10; i += 1) ids.push(await t.submit(ONE));
    for (const _ of ids) await agent.report(await agent.take(), { outcome: 'completed' });
    await settled(webhook.id, ids.length);
    expect(receiver.received).toHaveLength(ids.length);
    // No more than its share at the same time.
    expect(slow.received.length).toBeLessThanOrEqual(4);
    await slow.end();
  });
});

describe('webhooks to private addresses', () => {
  it('are not sent unless the server allows it', async () => {
    t = await startTestServer();
    for (const url of [receiver.url, receiver.url.replace('127.0.0.1', 'localhost')]) {
      const { webhook } = await add({ url });
      expectStatus(await t.call('POST', `/api/v1/webhooks/${webhook.id}/test`), 202);
      const delivery = await eventually(async () =>
        (await deliveries(webhook.id)).find(({ error }) => error !== null),
      );
      expect(delivery.error).toMatch(
        /which is no public address; start the server with --allow-private-webhooks/,
      );
    }
    expect(receiver.received).toEqual([]);
  });
});
