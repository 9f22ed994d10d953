import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Exchange, Exchanged, ExchangeRequest } from '@trainyard/client';
import { http, https } from './node-http.ts';

/**
 * HTTP without copies of what is sent: an agent sends what its jobs write, and each copy of two megabytes outside
 * of the heap has V8 collect all of it.
 */
export const httpExchange: Exchange = async (request) => {
  for (let { url } = request, hops = 0; ; hops += 1) {
    const { location, ...answer } = await exchangeAnew({ ...request, url });
    if (location === undefined) return answer;
    url = followed(url, location, hops);
  }
};

interface Answer extends Exchanged {
  /** Where the request is to be sent instead. */
  readonly location: string | undefined;
}

async function exchangeAnew(request: ExchangeRequest): Promise<Answer> {
  for (let stale = 0; ; stale += 1) {
    try {
      return await exchange(request);
    } catch (error) {
      // The server had closed a connection that was kept open, or all of them: it was started anew. Every call of an
      // agent may be repeated.
      if (!(error instanceof StaleConnection) || request.signal.aborted || stale >= MAX_KEPT) throw error;
    }
  }
}

class StaleConnection extends Error {
  override name = 'StaleConnection';
}

function exchange({ url, method, headers, body, signal }: ExchangeRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? https.request : http.request;
    const sent: ClientRequest = send(url, { method, headers, signal }, (response) => {
      readAnswer(response).then((answer) => {
        // What is answered before it is sent must not be sent on: its memory is used again.
        if (!sent.writableFinished) sent.destroy();
        resolve(answer);
      }, reject);
    });
    sent.on('error', (cause: NodeJS.ErrnoException) => {
      const isStale = sent.reusedSocket && (cause.code === 'ECONNRESET' || cause.code === 'EPIPE');
      reject(isStale ? new StaleConnection(cause.message, { cause }) : cause);
    });
    sent.end(body);
  });
}

/**
 * The address that a proxy names, such as the same one by https. The method stays, also for 301 and 302, where browsers
 * make a GET of it (RFC 9110, 15.4). The token goes to no other host, and not without encryption where it came with it.
 * @throws when it is not followed
 */
function followed(url: string, location: string, hops: number): string {
  const from = new URL(url);
  const to = URL.canParse(location, url) ? new URL(location, url) : undefined;
  const isSafer = from.protocol === 'http:' && to?.protocol === 'https:';
  const isSame = to?.hostname === from.hostname && (isSafer || to.origin === from.origin);
  if (to === undefined || !isSame || to.username !== '' || to.password !== '')
    throw new Error(
      `it sends to another address, ${to?.origin ?? location}, where the agent's token is not sent; if that is the server, give it as --url`,
    );
  if (hops >= MAX_REDIRECTS)
    throw new Error(`it sends from one address to the next, the last is ${to.origin}${to.pathname}`);
  return to.href;
}

/** Connections that Node keeps for a host. */
const MAX_KEPT = 256;
const MAX_REDIRECTS = 3;
const REDIRECTS: ReadonlySet<number | undefined> = new Set([301, 302, 307, 308]);

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  return {
    status: response.statusCode ?? 0,
    text: Buffer.concat(pieces).toString('utf8'),
    retryAfter: response.headers['retry-after'] ?? null,
    location: REDIRECTS.has(response.statusCode) ? response.headers.location : undefined,
  };
}
