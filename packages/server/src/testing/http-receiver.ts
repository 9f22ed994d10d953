import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly atMs: number;
}

/** What a receiver answers; `never` keeps the connection open and says nothing. */
export type Reply =
  | 'never'
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string };

/** An HTTP server on loopback that notes what it gets and answers what the test says. */
export interface HttpReceiver {
  readonly url: string;
  readonly received: ReceivedRequest[];
  reply: (request: ReceivedRequest) => Reply;
  end(): Promise<void>;
}

export async function startHttpReceiver(): Promise<HttpReceiver> {
  const received: ReceivedRequest[] = [];
  const receiver = { reply: (): Reply => ({ status: 204 }) } as { reply: HttpReceiver['reply'] };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const one: ReceivedRequest = {
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString('utf8'),
        atMs: Date.now(),
      };
      received.push(one);
      const reply = receiver.reply(one);
      if (reply === 'never') return;
      response.writeHead(reply.status, reply.headers).end(reply.body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return Object.assign(receiver, {
    url,
    received,
    end: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}
