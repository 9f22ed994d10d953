import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { expectError } from '../testing/expect-error.ts';
import { type Answer, eventually, startTestServer, type TestServer } from '../testing/test-server.ts';
import type { Access, TokenScope } from './auth.ts';

const ONE = 'name: one\nstages:\n  - { name: a, job: { command: "true" } }\n';

interface NewToken {
  readonly id: string;
  readonly token: string;
}

async function createToken(
  t: TestServer,
  scopes: TokenScope[],
  extra: object = {},
  as = t.server.adminToken,
): Promise<NewToken> {
  const answer = await t.call<NewToken>(
    'POST',
    '/api/v1/tokens',
    { name: 'x', scopes, ...extra },
    { token: as },
  );
  expect(answer.status, answer.text).toBe(201);
  return answer.body;
}

describe('tokens', () => {
  let t: TestServer;
  afterEach(() => t.end());

  it('turn an open server into one that asks for them, and back when the last one is revoked', async () => {
    t = await startTestServer();
    const { server } = t;
    expect(server.isOpen).toBe(true);
    expect((await t.call('GET', '/api/v1/runs')).status).toBe(200);
    const { id, token } = await createToken(t, ['admin']);
    expect((await t.call('GET', '/api/v1/info')).body).toMatchObject({ auth: 'token' });
    expectError(await t.call('GET', '/api/v1/runs'), 'UNAUTHENTICATED');
    expectError(await t.call('GET', '/api/v1/nothing'), 'UNAUTHENTICATED');
    expectError(await t.call('GET', '/metrics'), 'UNAUTHENTICATED');
    expect((await t.call('GET', '/api/v1/runs', undefined, { token })).status).toBe(200);
    expect(
      (await t.call('DELETE', `/api/v1/tokens/${id}`, undefined, { token: server.adminToken })).status,
    ).toBe(204);
    expectError(await t.call('GET', '/api/v1/runs', undefined, { token }), 'UNAUTHENTICATED');
    expect((await t.call('GET', '/api/v1/runs')).status).toBe(200);
    expectError(await t.call('DELETE', `/api/v1/tokens/${id}`), 'NOT_FOUND');
  });

  it('leave a server open to people when they are for agents only', async () => {
    t = await startTestServer();
    await createToken(t, ['agent']);
    expect((await t.call('GET', '/api/v1/runs')).status).toBe(200);
  });

  it('begin with one that may administer, and end with it: nobody is locked out', async () => {
    t = await startTestServer();
    const as = { token: t.server.adminToken };
    const make = (scope: TokenScope, extra: object = {}) =>
      t.call<NewToken>('POST', '/api/v1/tokens', { name: 'x', scopes: [scope], ...extra }, as);
    const revoke = (id: string) => t.call('DELETE', `/api/v1/tokens/${id}`, undefined, as);
    const refused = (answer: Answer<unknown>) => expectError(answer, 'ADMIN_TOKEN_REQUIRED').message;
    for (const scope of ['user', 'viewer', 'training'] as const) {
      expect(refused(await make(scope))).toContain('trainyard tokens create --name NAME --scope admin');
    }
    expect((await t.call('GET', '/api/v1/runs')).status).toBe(200);
    const anHour = { expiresInMs: 3_600_000 };
    const first = (await make('admin', anHour)).body;
    // One that outlives the administrator would be the last one day.
    expect(refused(await make('user'))).toMatch(/ends at 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ, before this one/);
    expect((await make('agent')).status).toBe(201);
    const user = (await make('user', { expiresInMs: 1_800_000 })).body;
    expect(refused(await revoke(first.id))).toMatch(/Make another one first/);
    expect((await t.call('GET', '/api/v1/runs', undefined, { token: first.token })).status).toBe(200);
    const second = (await make('admin')).body;
    expect((await revoke(first.id)).status).toBe(204);
    // Of two at once one is refused.
    const third = (await make('admin')).body;
    const both = await Promise.all([revoke(second.id), revoke(third.id)]);
    expect(both.map(({ status }) => status).sort()).toEqual([204, 409]);
    expect((await revoke(user.id)).status).toBe(204);
    const last = both[0]!.status === 409 ? second : third;
    expect((await revoke(last.id)).status).toBe(204);
    expect((await t.call('GET', '/api/v1/runs')).status).toBe(200);
  });

  it('are revoked and made again where an older server has left no administrator', async () => {
    t = await startTestServer();
    const as = { token: t.server.adminToken };
    await createToken(t, ['admin']);
    const { id } = await createToken(t, ['user']);
    await t.server.database.pool.query(
      `update "${t.place.schema}".tokens set revoked_at = now() where 'admin' = any(scopes) and name = 'x'`,
    );
    const more = await t.call('POST', '/api/v1/tokens', { name: 'y', scopes: ['user'] }, as);
    expectError(more, 'ADMIN_TOKEN_REQUIRED');
    await createToken(t, ['agent']);
    await createToken(t, ['admin'], { expiresInMs: 60_000 });
    expect((await t.call('DELETE', `/api/v1/tokens/${id}`, undefined, as)).status).toBe(204);
  });

  it('end at their time, also when they were used just before', async () => {
    t = await startTestServer();
    await createToken(t, ['admin']);
    const { token } = await createToken(t, ['viewer'], { expiresInMs: 1000 });
    const startedAt = Date.now();
    const status = async () => (await t.call('GET', '/api/v1/runs', undefined, { token })).status;
    expect(await status()).toBe(200);
    await eventually(async () => ((await status()) === 401 ? true : undefined));
    expect(Date.now() - startedAt).toBeLessThan(2500);
  });

  it('close the sockets that they opened when they are revoked, and those of nobody when a server closes', async () => {
    t = await startTestServer();
    const anonymous = await t.live();
    await createToken(t, ['admin']);
    const { id, token } = await createToken(t, ['viewer']);
    await anonymous.until(() => anonymous.closedWith !== undefined);
    expect(anonymous.closedWith).toBe(1008);
    const [live, other] = [
      await t.live({ protocols: [`bearer.${token}`] }),
      await t.live({ protocols: [`bearer.${t.server.adminToken}`] }),
    ];
    await t.call('DELETE', `/api/v1/tokens/${id}`, undefined, { token: t.server.adminToken });
    await live.until(() => live.closedWith !== undefined);
    expect(live.closedWith).toBe(1008);
    other.send({ op: 'ping' });
    await other.next('pong');
  });

  it('are stored as a hash only and listed without their text', async () => {
    t = await startTestServer();
    const agent = await t.agent();
    await t.submit(ONE);
    const assigned = await agent.take();
    const { token } = await createToken(t, ['admin']);
    const list = await t.call('GET', '/api/v1/tokens', undefined, { token });
    expect(list.text).toContain('"name":"x"');
    const { pool } = t.server.database;
    const tables = await pool.query<{ name: string }>(
      'select tablename as name from pg_tables where schemaname = $1',
      [t.place.schema],
    );
    for (const { name } of tables.rows) {
      const { rows } = await pool.query<{ text: string }>(
        `select coalesce(string_agg(x::text, ' '), '') as text from "${name}" x`,
      );
      for (const secret of [token, t.server.adminToken, t.server.agentToken, assigned.token]) {
        expect(rows[0]!.text, name).not.toContain(secret);
        expect(list.text).not.toContain(secret);
      }
    }
  });

  it('refuse what is no token, and names of the server itself', async () => {
    t = await startTestServer();
    for (const authorization of [
      'Bearer',
      'Bearer x',
      'Basic eDp5',
      'Bearer a b',
      `Bearer ${'x'.repeat(5000)}`,
    ]) {
      expectError(
        await t.call('GET', '/api/v1/runs', undefined, { headers: { authorization } }),
        'UNAUTHENTICATED',
      );
    }
    expectError(
      await t.call('POST', '/api/v1/tokens', { name: 'built-in agent', scopes: ['admin'] }),
      'INVALID_REQUEST',
    );
    expectError(await t.call('POST', '/api/v1/tokens', { name: 'x', scopes: ['root'] }), 'INVALID_REQUEST');
    expectError(await t.call('POST', '/api/v1/tokens', { name: 'x', scopes: [] }), 'INVALID_REQUEST');
  });
});

/** Which scopes each access is open to, written out once more so that a change of the table is noticed. */
const MAY: Readonly<Record<Access, readonly (TokenScope | 'none')[]>> = {
  public: ['none', 'viewer', 'user', 'agent', 'training', 'admin'],
  read: ['viewer', 'user', 'admin'],
  write: ['user', 'admin'],
  agent: ['agent', 'admin'],
  admin: ['admin'],
  watch: ['viewer', 'user', 'training', 'admin'],
  train: ['user', 'training', 'admin'],
  pull: ['agent', 'training', 'admin'],
};
const SCOPES = ['admin', 'user', 'viewer', 'agent', 'training'] as const;

describe('every route with every scope', () => {
  let t: TestServer;
  beforeAll(async () => {
    t = await startTestServer();
  });
  afterAll(() => t.end());

  it('answers 401 without a token, 403 with another scope, and lets the right ones in', async () => {
    const tokens: Record<TokenScope | 'none', string | undefined> = {
      none: undefined,
      admin: '',
      user: '',
      viewer: '',
      agent: '',
      training: '',
    };
    for (const scope of SCOPES) tokens[scope] = (await createToken(t, [scope])).token;
    const { body } = await t.call<{ paths: Record<string, Record<string, { 'x-access': Access }>> }>(
      'GET',
      '/api/v1/openapi.json',
    );
    const routes = Object.entries(body.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path,
        access: operation['x-access'],
      })),
    );
    expect(routes.length).toBeGreaterThan(25);
    for (const { method, path, access } of routes) {
      for (const scope of ['none', ...SCOPES] as const) {
        const where = `${method} ${path} with ${scope}`;
        // An id that exists nowhere and an empty body: whoever is let in gets another refusal.
        const answer = await t.call(
          method,
          path.replaceAll(/\{\w+\}/g, 'nothing'),
          method === 'POST' ? {} : undefined,
          { token: tokens[scope] },
        );
        if (MAY[access].includes(scope)) expect(answer.status, where).not.toBe(403);
        if (MAY[access].includes(scope) && access !== 'public') expect(answer.status, where).not.toBe(401);
        if (!MAY[access].includes(scope)) expect(answer.status, where).toBe(scope === 'none' ? 401 : 403);
      }
    }
    // What is public has a reason to be: health, what a client needs to log in, calls with an attempt's token, and
    // messages from outside, which are signed.
    expect(
      routes
        .filter((route) => route.access === 'public')
        .map((route) => route.path)
        .sort(),
    ).toEqual([
      '/api/training/local/metrics',
      '/api/training/local/{jobId}/checkpoints',
      '/api/training/local/{jobId}/checkpoints',
      '/api/training/local/{jobId}/handover',
      '/api/training/local/{jobId}/logs',
      '/api/training/local/{jobId}/metrics',
      '/api/training/local/{jobId}/metrics',
      '/api/training/local/{jobId}/params',
      '/api/training/local/{jobId}/predictions',
      '/api/training/local/{jobId}/status',
      '/api/v1/attempts/{attempt}/artifact-uploads/{id}',
      '/api/v1/attempts/{attempt}/artifact-uploads/{id}',
      '/api/v1/attempts/{attempt}/artifact-uploads/{id}',
      '/api/v1/attempts/{attempt}/artifact-uploads/{id}/complete',
      '/api/v1/attempts/{id}/artifacts/uploads',
      '/api/v1/attempts/{id}/cached',
      '/api/v1/attempts/{id}/job-token',
      '/api/v1/attempts/{id}/retention',
      '/api/v1/attempts/{id}/secrets',
      '/api/v1/attempts/{id}/streams/{stream}',
      '/api/v1/hooks/{id}',
      '/api/v1/info',
      '/api/v1/reports',
      '/healthz',
      '/readyz',
    ]);
  });

  it('takes appends and reports with the own token of an attempt that goes on, and with no other', async () => {
    const { agentToken, adminToken } = t.server;
    const source =
      'name: two\nstages:\n  - { name: a, job: { command: x } }\n  - { name: b, job: { command: x } }\n';
    await t.call('POST', '/api/v1/runs', { source }, { token: adminToken });
    const asAgent = {
      ...t,
      call: ((method, path, body, options) =>
        t.call(method, path, body, { token: agentToken, ...options })) as TestServer['call'],
    };
    const { registerScriptedAgent } = await import('../testing/scripted-agent.ts');
    const agent = await registerScriptedAgent(asAgent.call, {});
    const [a, b] = [await agent.take('a'), await agent.take('b')];
    for (const token of [b.token, agentToken, adminToken, 'nonsense']) {
      expectError(await agent.append({ ...a, token }, 'log', 0, 'x'), 'UNAUTHENTICATED');
      expect(await agent.report({ ...a, token }, 'started')).toMatchObject({
        ok: false,
        code: 'UNAUTHENTICATED',
      });
    }
    expectError(await agent.append({ ...a, spec: { ...a.spec, epoch: 2 } }, 'log', 0, 'x'), 'ATTEMPT_FENCED');
    expect((await agent.append(a, 'log', 0, 'x')).status).toBe(200);
    expectError(await agent.append(a, 'log', 5, 'x'), 'STREAM_GAP');
    expect(await agent.report(a, { outcome: 'completed' })).toMatchObject({ ok: true });
    expect(await agent.report(a, { outcome: 'completed' })).toMatchObject({ ok: true });
    expect(await agent.report(a, { outcome: 'failed' })).toMatchObject({ ok: false, code: 'ATTEMPT_FENCED' });
    expectError(await agent.append(a, 'log', 1, 'x'), 'ATTEMPT_FENCED');
    expectError(
      await agent.append({ ...b, spec: { ...b.spec, attemptId: 'att_x' } }, 'log', 0, 'x'),
      'NOT_FOUND',
    );
    expectError(await t.call('GET', '/api/v1/runs', undefined, { token: a.token }), 'UNAUTHENTICATED');
  });
});

describe('an open server', () => {
  let t: TestServer;
  beforeAll(async () => {
    t = await startTestServer();
  });
  afterAll(() => t.end());

  it('refuses to be addressed by a name that is not loopback', async () => {
    const { port } = new URL(t.server.url);
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      'localhost.evil.example',
      '127.0.0.1.evil.example',
      '10.0.0.1',
      '0.0.0.0',
      '[::ffff:10.0.0.1]',
    ]) {
      expectError(await t.call('GET', '/api/v1/runs', undefined, { headers: { host } }), 'HOST_NOT_ALLOWED');
      await expect(t.live({ headers: { host } }), host).rejects.toThrow('403');
    }
    for (const host of [
      `localhost:${port}`,
      '127.0.0.1',
      '127.1.2.3',
      '[::1]:80',
      'LOCALHOST',
      'sub.localhost',
    ]) {
      expect((await t.call('GET', '/api/v1/runs', undefined, { headers: { host } })).status, host).toBe(200);
    }
  });

  it('refuses pages of other origins, also for the WebSocket', async () => {
    const { host } = new URL(t.server.url);
    for (const origin of [
      'https://evil.example',
      'http://localhost:1',
      'null',
      'http://127.0.0.1',
      'nonsense',
      'file://',
    ]) {
      expectError(
        await t.call('POST', '/api/v1/runs', { source: ONE }, { headers: { origin } }),
        'HOST_NOT_ALLOWED',
      );
      await expect(t.live({ headers: { origin } }), origin).rejects.toThrow('403');
    }
    expect(
      (await t.call('GET', '/api/v1/runs', undefined, { headers: { origin: `http://${host}` } })).status,
    ).toBe(200);
    await t.live({ headers: { origin: `http://${host}` } });
  });

  it('takes the token of a WebSocket as subprotocol and selects that', async () => {
    await createToken(t, ['admin']);
    const { token } = await createToken(t, ['viewer']);
    await expect(t.live()).rejects.toThrow('401');
    await expect(t.live({ protocols: ['bearer.wrong'] })).rejects.toThrow('401');
    const live = await t.live({ protocols: [`bearer.${token}`] });
    expect(live.socket.protocol).toBe(`bearer.${token}`);
    const agent = await createToken(t, ['agent']);
    await expect(t.live({ headers: { authorization: `Bearer ${agent.token}` } })).rejects.toThrow('403');
  });
});
