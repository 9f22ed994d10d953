import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { httpExchange } from './http-exchange.ts';

const servers: { close(): unknown }[] = [];
const signal = new AbortController().signal;

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listen(server: Server | ReturnType<typeof createTcpServer>): Promise<string> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const post = (url: string, body: Uint8Array | string, stop = signal) =>
  httpExchange({ url, method: 'POST', headers: {}, body, signal: stop });

test('sends a body and gives status, text and when to come again', async () => {
  const url = await listen(
    createServer(async (request, response) => {
      let size = 0;
      for await (const piece of request) size += (piece as Buffer).length;
      response.writeHead(503, { 'retry-after': '3' }).end(`${size} bytes`);
    }),
  );
  const body = Buffer.alloc(3_000_000, 'x');
  expect(await post(url, body)).toEqual({ status: 503, text: '3000000 bytes', retryAfter: '3' });
});

test('sends again where the server had closed the connection that was kept', async () => {
  let connections = 0;
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok';
  const url = await listen(
    createTcpServer((socket) => {
      connections += 1;
      let requests = 0;
      socket.on('error', () => undefined);
      socket.on('data', () => {
        requests += 1;
        if (requests === 1) socket.write(answer);
        else socket.resetAndDestroy();
      });
    }),
  );
  expect((await post(url, 'one')).text).toBe('ok');
  expect((await post(url, 'two')).text).toBe('ok');
  expect(connections).toBe(2);
});

test('sends no more of a body that was answered before it was read', async () => {
  const closed = Promise.withResolvers<void>();
  const url = await listen(
    createServer((request, response) => {
      request.socket.on('close', () => closed.resolve());
      response.writeHead(413).end('too large');
    }),
  );
  const answer = await post(url, Buffer.alloc(64_000_000)).catch(
    (error: NodeJS.ErrnoException) => error.code,
  );
  // The system may tell of the closed connection first.
  if (typeof answer === 'object') expect(answer.status).toBe(413);
  await closed.promise;
});

test('ends with its signal, and tells that nobody listens', async () => {
  const stop = new AbortController();
  const url = await listen(createServer(() => stop.abort(new Error('stopped'))));
  await expect(post(url, 'text', stop.signal)).rejects.toMatchObject({ name: 'AbortError' });
  await expect(post('http://127.0.0.1:1/', 'text')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});
