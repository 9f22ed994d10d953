import { createHmac } from 'node:crypto';
import type { CreatedTrigger, RunTree, Trigger } from '@trainyard/protocol';
import pg from 'pg';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { expectError } from '../testing/expect-error.ts';
import { describeDatabases } from '../testing/index.ts';
import { type Answer, expectStatus, startTestServer, type TestServer } from '../testing/test-server.ts';
import { signedHeaders, signingKey } from '../webhooks/signature.ts';

const TRAIN = `
name: train
params:
  ref: { type: string }
  epochs: { type: integer, default: 3 }
stages:
  - { name: a, job: { command: 'train \${{ params.ref }}' } }
`;

let t: TestServer;
afterEach(() => t.end());

const add = async (body: object = {}): Promise<CreatedTrigger> =>
  expectStatus(
    await t.call<CreatedTrigger>('POST', '/api/v1/triggers', {
      name: 'push',
      pipeline: 'train',
      params: { ref: '${{ payload.ref }}' },
      ...body,
    }),
    201,
  );
/** Sends a message as a sender with a library of Standard Webhooks does. */
const send = (
  { trigger, secret }: CreatedTrigger,
  payload: unknown,
  { id = 'msg_1', atMs = Date.now(), key = secret } = {},
): Promise<Answer<{ id: string | null }>> => {
  const body = typeof payload === 'string' ? payload : JSON.stringify(payload);
  const headers = signedHeaders(signingKey(key), { id, timestamp: Math.floor(atMs / 1000), body });
  return t.call('POST', trigger.path, body, { headers });
};
const runs = async (): Promise<unknown[]> =>
  expectStatus(await t.call<{ items: unknown[] }>('GET', '/api/v1/runs'), 200).items;

describeDatabases('triggers', (engine) => {
  beforeEach(async () => {
    t = await startTestServer(engine);
    expectStatus(await t.call('PUT', '/api/v1/pipelines/train', { source: TRAIN }), 201);
  });

  it('start a run with params of what was sent, once per message', async () => {
    const created = await add({ params: { ref: 'git ${{ payload.ref }}', epochs: '${{ payload.n + 1 }}' } });
    const first = await send(created, { ref: 'main', n: 6 });
    const id = expectStatus(first, 201).id!;
    expect(expectStatus(await t.call<RunTree>('GET', `/api/v1/runs/${id}`), 200)).toMatchObject({
      name: 'train',
      params: { ref: 'git main', epochs: 7 },
    });
    expect(expectStatus(await send(created, { ref: 'main', n: 6 }), 200)).toEqual({ id });
    const changed = expectError(await send(created, { ref: 'other', n: 6 }), 'IDEMPOTENCY_MISMATCH').message;
    expect(changed).toMatch(/^A message with the id msg_1 came before for trigger "push" .* of its own\.$/);
    expect(expectStatus(await send(created, { ref: 'main', n: 6 }, { id: 'msg_2' }), 201).id).not.toBe(id);
    expect(await runs()).toHaveLength(2);
    const shown = await t.call<Trigger>('GET', '/api/v1/triggers/push');
    expect(shown.body).toMatchObject({
      id: created.trigger.id,
      canVerify: true,
      lastRunId: expect.any(String),
    });
    expect(shown.text).not.toContain(created.secret);
  });

  it('refuse a wrong signature and store nothing', async () => {
    const created = await add();
    const payload = { ref: 'main' };
    const wrong = [
      await send(created, payload, { key: 'another secret text' }),
      await send(created, payload, { atMs: Date.now() - 301_000 }),
      await send(created, payload, { atMs: Date.now() + 302_000 }),
      await t.call('POST', created.trigger.path, payload),
      await t.call('POST', created.trigger.path, payload, {
        headers: { 'x-hub-signature-256': 'sha256=00' },
      }),
      await t.call('POST', created.trigger.path),
    ];
    for (const answer of wrong) expectError(answer, 'UNAUTHENTICATED');
    expect(await runs()).toEqual([]);
    expectError(await t.call('POST', '/api/v1/hooks/trg_none', payload), 'NOT_FOUND');
  });

  it('refuse a signed message that is no payload, and store nothing', async () => {
    const created = await add();
    for (const body of ['', 'no json', '[1]', '"text"', '{"ref":"\\u0000"}', '{"ref": "half \\ud800"}']) {
      expectError(await send(created, body), 'INVALID_REQUEST');
    }
    expect(expectError(await send(created, { other: 1 }), 'INVALID_PARAMS').message).toContain('payload.ref');
    expectError(await send(created, { ref: 'x'.repeat(1024 * 1024) }), 'TOO_LARGE');
    expect(await runs()).toEqual([]);
  });

  it('accept the signature of GitHub, and count the same body once', async () => {
    const created = await add({ secret: 'whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0' });
    const body = JSON.stringify({ ref: 'refs/heads/main' });
    const signature = createHmac('sha256', created.secret).update(body).digest('hex');
    const post = (): Promise<Answer<{ id: string }>> =>
      t.call('POST', created.trigger.path, body, {
        headers: { 'x-hub-signature-256': `sha256=${signature}`, 'x-github-event': 'push' },
      });
    const { id } = expectStatus(await post(), 201);
    expect(expectStatus(await post(), 200)).toEqual({ id });
  });

  it('start a run only where the condition is true', async () => {
    const created = await add({ when: 'has(payload.ref) && payload.ref == "main"' });
    expect(expectStatus(await send(created, { zen: 'ping' }), 200)).toEqual({ id: null });
    expect(expectStatus(await send(created, { ref: 'main' }, { id: 'msg_2' }), 201).id).toMatch(/^run_/);
    const odd = await add({ name: 'odd', when: 'payload.ref' });
    expectError(await send(odd, { ref: 'main' }), 'INVALID_PARAMS');
  });

  it('start one run when the same message comes to several servers at once', async () => {
    const created = await add();
    const answers = await Promise.all(Array.from({ length: 8 }, () => send(created, { ref: 'main' })));
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
  });

  it('run the version that was named, and refuse to be added where nothing could run', async () => {
    const refuse = async (body: object, code: Parameters<typeof expectError>[1]) =>
      expectError(await t.call('POST', '/api/v1/triggers', { name: 'x', pipeline: 'train', ...body }), code);
    await refuse({ params: {} }, 'INVALID_PARAMS');
    await refuse({ params: { ref: 'a', nope: 1 } }, 'INVALID_PARAMS');
    await refuse({ params: { ref: 'a', epochs: 'many' } }, 'INVALID_PARAMS');
    await refuse({ params: { ref: '${{ payload. }}' } }, 'INVALID_PARAMS');
    expect((await refuse({ params: { ref: '${{ secrets.x }}' } }, 'INVALID_PARAMS')).message).toContain(
      'secrets',
    );
    await refuse({ params: { ref: 'a' }, when: 'params.ref' }, 'INVALID_PARAMS');
    await refuse({ params: { ref: 'a' }, name: 'not a name' }, 'INVALID_REQUEST');
    await refuse({ params: { ref: 'a' }, pipeline: 'none' }, 'NOT_FOUND');
    await refuse({ params: { ref: 'a' }, version: 2 }, 'NOT_FOUND');
    const fixed = await add({ version: 1 });
    await refuse({ params: { ref: 'a' }, name: 'push' }, 'CONFLICT');
    expectStatus(
      await t.call('PUT', '/api/v1/pipelines/train', { source: TRAIN.replace('default: 3', 'default: 4') }),
      201,
    );
    const newest = await add({ name: 'newest' });
    const epochs = async (created: CreatedTrigger) => {
      const { id } = expectStatus(await send(created, { ref: 'main' }), 201);
      return (await t.tree(id!)).params['epochs'];
    };
    expect([await epochs(fixed), await epochs(newest)]).toEqual([3, 4]);
    expectStatus(await t.call('POST', '/api/v1/pipelines/train/archive'), 200);
    expectError(await send(newest, { ref: 'main' }, { id: 'msg_9' }), 'CONFLICT');
  });

  it('are listed, and start nothing any more once they are removed', async () => {
    const created = await add();
    const listed = await t.call<{ items: Trigger[] }>('GET', '/api/v1/triggers');
    expect(listed.body.items.map(({ name }) => name)).toEqual(['push']);
    const client = new pg.Client(t.place.config);
    await client.connect();
    const { rows } = await client.query("select encode(secret, 'escape') as text from triggers");
    await client.end();
    expect(rows[0].text).not.toContain(created.secret.slice(8));
    expectStatus(await t.call('DELETE', '/api/v1/triggers/push'), 204);
    expectError(await send(created, { ref: 'main' }), 'NOT_FOUND');
    expectError(await t.call('DELETE', '/api/v1/triggers/push'), 'NOT_FOUND');
    expectError(await t.call('GET', '/api/v1/triggers/push'), 'NOT_FOUND');
  });

  it('leave messages that they cannot check to a server with the key', async () => {
    const created = await add();
    const peer = await t.peer();
    const answer = await peer.call('POST', created.trigger.path, '{}');
    expectError(answer, 'UNAVAILABLE');
  });
});
