import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
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

test('sends again where the server had closed all the connections that were kept', async () => {
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok';
  const old: Socket[] = [];
  const url = await listen(
    createTcpServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', () => {
        if (old.includes(socket)) socket.resetAndDestroy();
        else if (old.length === 3) socket.write(answer);
        else if (old.push(socket) === 3) for (const each of old) each.write(answer);
      });
    }),
  );
  await Promise.all(['one', 'two', 'three'].map((text) => post(url, text)));
  expect(old.length).toBe(3);
  expect((await post(url, 'four')).text).toBe('ok');
});

test('goes on to https on the same host, with its method, body and token', async () => {
  const { key, cert } = selfSigned();
  const before = getCACertificates('default');
  setDefaultCACertificates([...before, cert]);
  try {
    const safe = await listen(
      createHttpsServer({ key, cert }, async (request, response) => {
        let body = '';
        for await (const piece of request) body += piece;
        response.end(`${request.method} ${request.url} ${request.headers.authorization} ${body}`);
      }),
    );
    const { port } = new URL(safe);
    for (const status of [301, 302, 307, 308]) {
      const plain = await listen(redirect(status, (path) => `https://127.0.0.1:${port}${path}`));
      const { text } = await httpExchange({
        ...{ url: `${plain}api?offset=3`, method: 'POST', body: 'bytes', signal },
        headers: { authorization: 'Bearer abc' },
      });
      expect(text).toBe('POST /api?offset=3 Bearer abc bytes');
    }
  } finally {
    setDefaultCACertificates(before);
  }
});

test('names the address of another host instead of sending the token there', async () => {
  let asked = 0;
  const other = await listen(
    createServer((_, response) => {
      asked += 1;
      response.end();
    }),
  );
  for (const to of [
    other.replace('127.0.0.1', 'localhost'),
    other,
    other.replace('http://', 'http://user:password@'),
  ]) {
    const url = await listen(redirect(308, () => to));
    await expect(post(url, 'text')).rejects.toThrow(`another address, ${new URL(to).origin}`);
  }
  expect(asked).toBe(0);
});

test('gives up where one address sends to the next without end', async () => {
  let asked = 0;
  const url = await listen(
    redirect(307, () => {
      asked += 1;
      return `/${asked}`;
    }),
  );
  await expect(post(url, 'text')).rejects.toThrow('from one address to the next');
  expect(asked).toBe(4);
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

function redirect(status: number, to: (path: string) => string): Server {
  return createServer((request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(status, { location: to(request.url ?? '') }).end());
  });
}

function selfSigned(): { readonly key: string; readonly cert: string } {
  const dir = mkdtempSync(join(tmpdir(), 'trainyard-tls-'));
  try {
    const files = { key: join(dir, 'key.pem'), cert: join(dir, 'cert.pem') };
    const names = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    const out = ['-keyout', files.key, '-out', files.cert];
    execFileSync('openssl', ['req', '-x509', ...made, ...names, ...out], { stdio: 'ignore' });
    return { key: readFileSync(files.key, 'utf8'), cert: readFileSync(files.cert, 'utf8') };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
