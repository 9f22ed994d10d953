import { readFile, stat, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { TrainyardError } from '@trainyard/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { startServer } from './start-server.ts';
import { testDatabase } from './testing/databases.ts';
import { eventually, startTestServer, type TestServer } from './testing/test-server.ts';

const ONE = 'name: one\nstages:\n  - { name: a, job: { command: "true" } }\n';

let t: TestServer;
afterEach(() => t.end());

/** Options for one more server on the database of `t`. */
function beside(extra: object) {
  return {
    dataDir: join(t.dataDir, 'other'),
    databaseUrl: t.place.url,
    schema: t.place.schema,
    logLevel: 'fatal',
    ...extra,
  };
}

async function failureOf(started: Promise<unknown>): Promise<TrainyardError> {
  const error = await started.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(TrainyardError);
  return error as TrainyardError;
}

describe('starting a server', () => {
  it('refuses to listen beyond loopback while there is no token, and does so with one', async () => {
    t = await startTestServer();
    const error = await failureOf(startServer(beside({ host: '0.0.0.0' })));
    expect(error).toMatchObject({ code: 'AUTH_REQUIRED_FOR_HOST' });
    expect(error.message).toContain('0.0.0.0');
    await t.call('POST', '/api/v1/tokens', { name: 'me', scopes: ['admin'] });
    const other = await t.peer({ host: '0.0.0.0' });
    expect(other.server.isOpen).toBe(false);
    expect((await other.call('GET', '/api/v1/runs')).status).toBe(401);
    expect(
      (await other.call('GET', '/api/v1/runs', undefined, { token: other.server.adminToken })).status,
    ).toBe(200);
  });

  it('names the address that another program listens on, and that it cannot have', async () => {
    t = await startTestServer();
    const port = Number(new URL(t.server.url).port);
    const error = await failureOf(startServer(beside({ port })));
    expect(error).toMatchObject({ code: 'ADDRESS_IN_USE' });
    expect(error.message).toContain(String(port));
    await t.call('POST', '/api/v1/tokens', { name: 'me', scopes: ['admin'] });
    expect(await failureOf(startServer(beside({ host: '203.0.113.1' })))).toMatchObject({ code: 'USAGE' });
  });

  it('leaves its address and a token where only this user can read them, until it stops', async () => {
    t = await startTestServer();
    const path = join(t.dataDir, 'server.json');
    const advert = JSON.parse(await readFile(path, 'utf8')) as { url: string; token: string };
    expect(advert).toMatchObject({ url: t.server.url, token: t.server.adminToken });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await t.server.stop();
    await expect(stat(path)).rejects.toThrow('ENOENT');
  });

  it('refuses a data directory that another live server has, and leaves that one as it is', async () => {
    t = await startTestServer();
    const path = join(t.dataDir, 'server.json');
    const before = await readFile(path, 'utf8');
    const error = await failureOf(startServer(beside({ dataDir: t.dataDir })));
    expect(error).toMatchObject({ code: 'DATA_DIR_IN_USE' });
    for (const named of [t.dataDir, t.server.url, `pid ${process.pid}`, '--data-dir']) {
      expect(error.message).toContain(named);
    }
    expect(await readFile(path, 'utf8')).toBe(before);
    const { adminToken, agentToken } = t.server;
    expect((await t.call('GET', '/api/v1/runs', undefined, { token: adminToken })).status).toBe(200);
    // It is known, and has another scope.
    expect((await t.call('GET', '/api/v1/runs', undefined, { token: agentToken })).status).toBe(403);
  });

  it('says of a data directory that cannot be made what is wrong with it and what to do', async () => {
    t = await startTestServer();
    await writeFile(join(t.dataDir, 'file'), '');
    for (const [name, reason] of [
      ['file', 'it is no directory'],
      ['file/inside', 'a part of its path is no directory'],
    ] as const) {
      const error = await failureOf(startServer(beside({ dataDir: join(t.dataDir, name) })));
      expect(error).toMatchObject({ code: 'USAGE' });
      for (const part of [join(t.dataDir, name), reason, '--data-dir']) expect(error.message).toContain(part);
    }
  });

  it('gives a data directory to exactly one of several that start at once', async () => {
    t = await startTestServer();
    const started = await Promise.allSettled([1, 2, 3].map(() => startServer(beside({}))));
    const servers = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const refusals = started.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    expect(servers).toHaveLength(1);
    expect(refusals).toMatchObject([{ code: 'DATA_DIR_IN_USE' }, { code: 'DATA_DIR_IN_USE' }]);
    const advert = JSON.parse(await readFile(join(t.dataDir, 'other', 'server.json'), 'utf8'));
    expect(advert).toMatchObject({ url: servers[0]!.url, token: servers[0]!.adminToken });
    await servers[0]!.stop();
  });

  it.each([
    ['of a server that is gone', () => ({ url: 'http://127.0.0.1:1', pid: 1, token: 'tyu_x' })],
    ['whose port another server has now', () => ({ url: t.server.url, pid: 1, token: 'tyu_x' })],
    ['that is no JSON', () => '{'],
  ])('replaces an address %s', async (_, left) => {
    t = await startTestServer();
    const peer = await t.peer();
    await peer.server.stop();
    const path = join(peer.dataDir, 'server.json');
    const content = left();
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
    const next = await startServer(beside({ dataDir: peer.dataDir }));
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ url: next.url });
    await writeFile(path, JSON.stringify({ url: 'http://127.0.0.1:1', pid: 1 }));
    await next.stop();
    expect(await readFile(path, 'utf8')).toContain('127.0.0.1:1"');
  });

  it('starts again at the same address after a kill, where its own answer is no other server', async () => {
    t = await startTestServer();
    const peer = await t.peer();
    const path = join(peer.dataDir, 'server.json');
    // A killed server leaves its file, and its token stays valid until the next start.
    const left = await readFile(path, 'utf8');
    await peer.server.stop();
    await writeFile(path, left);
    const port = Number(new URL(peer.server.url).port);
    const next = await startServer(beside({ dataDir: peer.dataDir, port }));
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({
      url: peer.server.url,
      token: next.adminToken,
    });
    await next.stop();
  });

  it('works when several start at once on an empty database, each with tokens of its own', async () => {
    t = await startTestServer();
    const place = await testDatabase({ scope: 'database' });
    const start = (name: string) =>
      startServer({
        dataDir: join(t.dataDir, name),
        databaseUrl: place.url,
        schema: 'fresh',
        logLevel: 'fatal',
      });
    const servers = await Promise.all(['a', 'b', 'c'].map(start));
    const statusWith = async (url: string, token: string) =>
      (await fetch(`${url}/api/v1/runs`, { headers: { authorization: `Bearer ${token}` } })).status;
    for (const { url, adminToken, agentToken } of servers) {
      expect(await statusWith(url, adminToken)).toBe(200);
      // It is known, and has another scope.
      expect(await statusWith(url, agentToken)).toBe(403);
    }
    await Promise.all(servers.map((server) => server.stop()));
    await place.drop();
  });
});

describe('stopping a server', () => {
  it('ends open long polls and sockets within two seconds', async () => {
    t = await startTestServer();
    const agent = await t.agent();
    const polls = Array.from({ length: 20 }, () =>
      agent.claim({ waitMs: 25_000 }).catch((error: Error) => error),
    );
    const sockets = await Promise.all([t.live(), t.live(), t.live()]);
    for (const live of sockets) live.send({ op: 'subscribe_list' });
    await sockets[2]!.close();
    const startedAt = Date.now();
    await t.server.stop();
    expect(Date.now() - startedAt).toBeLessThan(2000);
    await Promise.all(polls);
    await sockets[0]!.until(() => sockets[0]!.closedWith !== undefined);
    expect(sockets[0]!.closedWith).toBe(1012);
  });

  it('does not wait for clients that never close, nor for those that were refused', async () => {
    t = await startTestServer();
    const { hostname, port } = new URL(t.server.url);
    const upgrade = (host: string): Promise<Socket> =>
      new Promise((resolve, reject) => {
        const socket = connect(Number(port), hostname);
        socket.once('error', reject);
        socket.once('data', () => resolve(socket));
        const lines = [
          `Host: ${host}`,
          'Connection: Upgrade',
          'Upgrade: websocket',
          'Sec-WebSocket-Version: 13',
        ];
        socket.write(
          `GET /api/v1/live HTTP/1.1\r\n${lines.join('\r\n')}\r\nSec-WebSocket-Key: ${'A'.repeat(22)}==\r\n\r\n`,
        );
      });
    const sockets = await Promise.all([upgrade('localhost'), upgrade('evil.example')]);
    await eventually(() => (sockets[1]!.readableEnded || sockets[1]!.destroyed ? true : undefined));
    const startedAt = Date.now();
    await t.server.stop();
    expect(Date.now() - startedAt).toBeLessThan(2000);
    for (const socket of sockets) socket.destroy();
  });

  it('loses nothing: the next server goes on where it stopped', async () => {
    t = await startTestServer();
    const agent = await t.agent();
    const id = await t.submit(ONE);
    const assigned = await agent.take();
    await t.server.stop();
    const next = await t.peer();
    const again = await next.agent();
    expect((await again.report(assigned, { outcome: 'completed' })).ok).toBe(true);
    await next.treeWhen(id, ({ status }) => status === 'completed');
  });
});

describe('a long poll', () => {
  it('is answered within 200 ms of a submit', async () => {
    t = await startTestServer();
    const agent = await t.agent();
    await t.submit(ONE);
    await agent.take();
    const waitsMs: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      const poll = agent.claim({ waitMs: 10_000 });
      await t.call('GET', '/healthz');
      const startedAt = performance.now();
      await t.submit(ONE);
      expect((await poll).body.assignments).toHaveLength(1);
      waitsMs.push(performance.now() - startedAt);
    }
    // The best of them: a busy machine delays one or the other, a poll of a second delays all.
    expect(Math.min(...waitsMs)).toBeLessThan(200);
  });

  it('loses no work to a client that went away', async () => {
    t = await startTestServer();
    const agent = await t.agent();
    const gone = new AbortController();
    // As agents do: the same request until one brings work. A claim that was just being made counts for the next.
    const requestId = 'request-of-one-lane';
    const poll = agent.claim({ requestId, waitMs: 20_000 }, { signal: gone.signal });
    await t.call('GET', '/healthz');
    gone.abort();
    await expect(poll).rejects.toThrow();
    await t.submit(ONE);
    const { body } = await agent.claim({ requestId, waitMs: 5000 });
    expect(body.assignments).toHaveLength(1);
  });
});
