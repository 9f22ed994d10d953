import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { gunzipSync, gzip } from 'node:zlib';
import { TrainyardError } from '@trainyard/protocol';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createAgentClient } from './agent-client.ts';
import { gapSize, isServerDown } from './agent-errors.ts';

let server: Server;
let url: string;
let handle: (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

beforeEach(async () => {
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    handle(request, response, Buffer.concat(chunks));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function answer(status: number, body: unknown): void {
  handle = (_request, response) => {
    response.writeHead(status);
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
}

const append = { attemptId: 'att_1', token: 'attempt-token', epoch: 3, stream: 'log' as const, offset: 7 };
const failure = (call: Promise<unknown>) =>
  call.then(
    () => expect.fail('the call was expected to fail'),
    (error: unknown) => error as TrainyardError,
  );

describe('append', () => {
  test('sends the bytes with offset, epoch and the token of the attempt', async () => {
    let seen: unknown;
    handle = (request, response, body) => {
      const { authorization, 'content-encoding': encoding } = request.headers;
      seen = { url: request.url, authorization, encoding, body: body.toString() };
      response.end('{"size":10}');
    };
    const client = createAgentClient({ url: `${url}/`, token: 'agent-token' });
    expect(await client.append({ ...append, bytes: Buffer.from('abc') })).toEqual({ size: 10 });
    expect(seen).toEqual({
      url: '/api/v1/attempts/att_1/streams/log?offset=7&epoch=3',
      authorization: 'Bearer attempt-token',
      encoding: undefined,
      body: 'abc',
    });
  });

  test('compresses large pieces when that makes them smaller', async () => {
    const client = createAgentClient({
      url,
      gzip: promisify(gzip) as (bytes: Uint8Array) => Promise<Buffer>,
    });
    const large = Buffer.alloc(100_000, 'a');
    const random = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000)));
    for (const [bytes, encoding] of [
      [large, 'gzip'],
      [random, undefined],
      [Buffer.from('abc'), undefined],
    ] as const) {
      handle = (request, response, body) => {
        expect(request.headers['content-encoding']).toBe(encoding);
        expect((encoding === 'gzip' ? gunzipSync(body) : body).equals(bytes)).toBe(true);
        response.end(JSON.stringify({ size: bytes.length }));
      };
      expect(await client.append({ ...append, bytes })).toEqual({ size: bytes.length });
    }
  });

  test('tells the size that the server asks for', async () => {
    answer(409, { error: { code: 'STREAM_GAP', message: 'gap', details: { size: 5 }, docs: '' } });
    const error = await failure(createAgentClient({ url }).append({ ...append, bytes: Buffer.from('abc') }));
    expect([error.code, gapSize(error)]).toEqual(['STREAM_GAP', 5]);
    expect(gapSize(new TrainyardError('CONFLICT', 'other'))).toBeUndefined();
  });
});

describe('failures', () => {
  test('keep code and message of the server', async () => {
    answer(410, { error: { code: 'ATTEMPT_FENCED', message: 'attempt att_1 is over', docs: '' } });
    const error = await failure(createAgentClient({ url }).heartbeat('agt_1', { held: [] }));
    expect([error.code, error.message]).toEqual(['ATTEMPT_FENCED', 'attempt att_1 is over']);
  });

  test.each([
    [404, 'SERVER_UNREACHABLE'],
    [410, 'SERVER_UNREACHABLE'],
    [502, 'SERVER_UNREACHABLE'],
    [401, 'UNAUTHENTICATED'],
    [429, 'TOO_MANY_REQUESTS'],
  ])('of a proxy with status %i count as %s', async (status, code) => {
    answer(status, '<html>nothing here</html>');
    expect((await failure(createAgentClient({ url }).heartbeat('agt_1', { held: [] }))).code).toBe(code);
  });

  test('name the address when nobody listens there, which is known as a server that is down', async () => {
    await new Promise((resolve) => server.close(resolve));
    const error = await failure(createAgentClient({ url }).heartbeat('agt_1', { held: [] }));
    expect(error.code).toBe('SERVER_UNREACHABLE');
    expect(error.message).toContain(url);
    expect(error.message).toContain('ECONNREFUSED');
    expect(isServerDown(error)).toBe(true);
  });

  test('by a server that does not answer in time do not say that it is down', async () => {
    handle = () => undefined;
    const error = await failure(createAgentClient({ url, timeoutMs: 50 }).heartbeat('agt_1', { held: [] }));
    expect(error.code).toBe('SERVER_UNREACHABLE');
    expect(error.message).toContain('50 ms');
    expect(isServerDown(error)).toBe(false);
  });

  test('by an answer of another shape are told as such', async () => {
    answer(200, { hello: 'world' });
    const error = await failure(
      createAgentClient({ url }).register({
        name: 'a',
        hostname: 'h',
        version: '1',
        bootId: 'b',
        slots: 1,
        gpus: 0,
        queues: ['default'],
      }),
    );
    expect(error.message).toContain('not a Trainyard server of this version');
  });

  test('by the caller have the reason of the caller', async () => {
    handle = () => undefined;
    const stop = new AbortController();
    const call = failure(
      createAgentClient({ url }).claim(
        'agt_1',
        { requestId: '12345678', free: 1, freeGpus: 0, held: [], waitMs: 25_000 },
        stop.signal,
      ),
    );
    stop.abort(new Error('stopped'));
    expect((await call).message).toBe('stopped');
  });
});
