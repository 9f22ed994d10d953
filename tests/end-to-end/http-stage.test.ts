import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stageOf, startPlatform, type TestPlatform } from '../support/platform.ts';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let platform: TestPlatform;
let server: Server;
let other: Server;
let address: string;
let otherAddress: string;
const seen: Seen[] = [];
/** How often a path was asked for. */
const seenAt = (path: string) => seen.filter(({ url }) => url.startsWith(path));

beforeAll(async () => {
  const listen = async (handle: Parameters<typeof createServer>[1]) => {
    const started = createServer(handle);
    started.listen(0, '127.0.0.1');
    await once(started, 'listening');
    return { started, at: `http://127.0.0.1:${(started.address() as AddressInfo).port}` };
  };
  const far = await listen(async (request, response) => {
    await keep(request);
    response.end('far');
  });
  other = far.started;
  otherAddress = far.at;
  const near = await listen(async (request, response) => {
    const { url } = await keep(request);
    if (url === '/created') {
      response.writeHead(201, { 'content-type': 'application/json', etag: '"7"', 'x-hidden': 'h' });
      response.end('{"data":[{"id":42}],"a/b":true}');
    } else if (url === '/flaky') {
      response.statusCode = seenAt('/flaky').length < 3 ? 503 : 200;
      response.end('busy');
    } else if (url.startsWith('/to/')) {
      const [, , status, place] = url.split('/');
      const location = place === 'far' ? `${otherAddress}/arrived` : '/arrived';
      response.writeHead(Number(status), { location }).end();
    } else if (url === '/loop') {
      response.writeHead(302, { location: '/loop' }).end();
    } else if (url === '/huge') {
      for (let i = 0; i < 17; i += 1) response.write(Buffer.alloc(1024 * 1024, 97));
      response.end();
    } else if (url === '/large') {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ id: 1, filling: 'x'.repeat(1024 * 1024) }));
    } else if (url === '/broken') {
      request.socket.destroy();
    } else if (url !== '/silent') {
      response.setHeader('content-type', 'text/plain');
      response.end(`at ${url}`);
    }
  });
  server = near.started;
  address = near.at;
  platform = await startPlatform();
});
afterAll(async () => {
  await platform.stop();
  for (const each of [server, other]) {
    each.closeAllConnections();
    each.close();
  }
});

async function keep(request: import('node:http').IncomingMessage): Promise<Seen> {
  let body = '';
  for await (const chunk of request.setEncoding('utf8')) body += chunk;
  const entry = { method: request.method!, url: request.url!, headers: request.headers, body };
  seen.push(entry);
  return entry;
}

const one = (http: object, more: object = {}) => ({
  name: 'call',
  stages: [{ name: 'call', http, ...more }],
});

describe('an http stage', () => {
  it('sends what the definition says and hands status, headers and body on', async () => {
    const run = await platform.ended(
      {
        name: 'notify',
        params: { who: { type: 'string', default: 'me' }, rows: { type: 'json', default: [1, 2] } },
        stages: [
          {
            name: 'post',
            http: {
              method: 'POST',
              url: `${address}/created`,
              headers: { authorization: 'Bearer ${{ params.who }}-secret', 'x-count': 3 },
              json: { who: '${{ params.who }}', rows: '${{ params.rows }}' },
              responseHeaders: ['ETag'],
              expectStatus: [201],
              outputs: { id: '/data/0/id', odd: '/a~1b' },
            },
          },
          {
            name: 'get',
            dependsOn: ['post'],
            http: {
              url: `${address}/item?id=\${{ stages.post.outputs.id }}`,
              query: { 'q q': 'a b&c' },
            },
          },
        ],
      },
      { who: 'you' },
    );
    expect(run.status).toBe('completed');
    expect(stageOf(run, 'post').outputs).toEqual({
      status: 201,
      headers: { etag: '"7"' },
      body: { data: [{ id: 42 }], 'a/b': true },
      id: 42,
      odd: true,
    });
    expect(stageOf(run, 'get').outputs).toMatchObject({ status: 200, body: 'at /item?id=42&q+q=a+b%26c' });
    const [post] = seenAt('/created');
    expect(JSON.parse(post!.body)).toEqual({ who: 'you', rows: [1, 2] });
    expect(post!.headers).toMatchObject({
      authorization: 'Bearer you-secret',
      'x-count': '3',
      'content-type': 'application/json',
      'idempotency-key': stageOf(run, 'post').id,
    });
    const log = await platform.log(run, 'post');
    expect(log).toContain(`POST ${address}/created`);
    expect(log).not.toContain('secret');
    expect(await platform.log(run, 'get')).not.toContain('a+b');
  });

  it('fails with http_status for another status, and its dependents are skipped', async () => {
    const run = await platform.ended({
      name: 'wrong',
      stages: [
        { name: 'call', http: { url: `${address}/created`, expectStatus: [200, '400-499'] } },
        { name: 'after', dependsOn: ['call'], job: { command: 'true' } },
      ],
    });
    expect(run.status).toBe('failed');
    expect(stageOf(run, 'call').error).toMatchObject({
      code: 'http_status',
      message: expect.stringMatching(/answered 201; expected 200, 400-499\n\{"data"/),
    });
    expect(stageOf(run, 'after').status).toBe('skipped');
  });

  it('tries again as the stage says, with the same idempotency key', async () => {
    const retry = { attempts: 3, backoff: '10ms', retryOn: ['http_status'] };
    const run = await platform.ended(one({ method: 'PUT', url: `${address}/flaky`, body: 'b' }, { retry }));
    expect(run.status).toBe('completed');
    expect(seenAt('/flaky')).toHaveLength(3);
    expect(new Set(seenAt('/flaky').map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
  });

  it('does not try a port again that is blocked for HTTP', async () => {
    const run = await platform.ended(
      one({ url: 'http://127.0.0.1:22/' }, { retry: { attempts: 3, backoff: '10ms' } }),
    );
    expect(stageOf(run, 'call')).toMatchObject({
      attempt: 1,
      error: { code: 'http_address', message: expect.stringMatching(/port 22 .* blocked/) },
    });
  });

  it('fails with http_unreachable where nobody listens or no answer comes in time', async () => {
    const closed = createServer();
    closed.listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    const [refused, silent, broken] = await Promise.all([
      platform.ended(one({ url: `http://127.0.0.1:${port}/?key=hidden` })),
      platform.ended(one({ url: `${address}/silent`, timeout: '300ms' })),
      platform.ended(one({ url: `${address}/broken` })),
    ]);
    expect(stageOf(broken, 'call').error).toMatchObject({
      code: 'http_unreachable',
      message: expect.stringContaining('the server closed the connection before its answer was whole'),
    });
    expect(stageOf(refused, 'call').error).toMatchObject({
      code: 'http_unreachable',
      message: expect.stringContaining('ECONNREFUSED'),
    });
    expect(stageOf(refused, 'call').error!.message).not.toContain('hidden');
    expect(stageOf(silent, 'call').error).toMatchObject({
      code: 'http_unreachable',
      message: expect.stringContaining('within 300 ms'),
    });
  });

  it('follows redirects, and shows another server neither headers nor body', async () => {
    const headers = { 'x-api-key': 'k' };
    const [near, far, withBody, loop, kept] = await Promise.all([
      platform.ended(one({ url: `${address}/to/302/near`, headers })),
      platform.ended(one({ url: `${address}/to/302/far`, headers })),
      platform.ended(one({ method: 'POST', url: `${address}/to/307/far`, body: 'private' })),
      platform.ended(one({ url: `${address}/loop` })),
      platform.ended(one({ url: `${address}/to/302/near`, followRedirects: false, expectStatus: [302] })),
    ]);
    expect(near.children[0]!.outputs).toMatchObject({ body: 'at /arrived' });
    expect(far.status).toBe('completed');
    const arrived = seenAt('/arrived');
    expect(arrived.map(({ headers: { 'x-api-key': key } }) => key).sort()).toEqual(['k', undefined]);
    expect(arrived.every(({ body }) => body === '')).toBe(true);
    expect(withBody.children[0]!.error).toMatchObject({ code: 'http_redirect' });
    expect(loop.children[0]!.error).toMatchObject({ code: 'http_redirect' });
    expect(kept.children[0]!.outputs).toMatchObject({ status: 302 });
  });

  it('keeps outputs and answers within their limits', async () => {
    const [large, huge, missing] = await Promise.all([
      platform.ended(one({ url: `${address}/large`, outputs: { id: '/id' } })),
      platform.ended(one({ url: `${address}/huge` })),
      platform.ended(one({ url: `${address}/created`, outputs: { id: '/data/7/id' } })),
    ]);
    expect(large.children[0]!.outputs).toEqual({ status: 200, headers: {}, body: null, id: 1 });
    expect(huge.children[0]!.error).toMatchObject({ code: 'http_body_too_large' });
    expect(missing.children[0]!.error).toMatchObject({ code: 'http_output_missing' });
  });
});
