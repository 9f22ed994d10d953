import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Exchange, Exchanged, ExchangeRequest } from '@trainyard/client';

/**
 * HTTP without copies of what is sent: an agent sends what its jobs write, and each copy of two megabytes outside
 * of the heap has V8 collect all of it.
 */
export const httpExchange: Exchange = async (request) => {
  try {
    return await exchange(request);
  } catch (error) {
    // The server had closed a connection that was kept open. Every call of an agent may be repeated.
    if (error instanceof StaleConnection && !request.signal.aborted) return exchange(request);
    throw error;
  }
};

class StaleConnection extends Error {
  override name = 'StaleConnection';
}

function exchange({ url, method, headers, body, signal }: ExchangeRequest): Promise<Exchanged> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith('https:') ? httpsRequest : httpRequest;
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

async function readAnswer(response: IncomingMessage): Promise<Exchanged> {
  const pieces: Buffer[] = [];
  for await (const piece of response) pieces.push(piece as Buffer);
  return {
    status: response.statusCode ?? 0,
    text: Buffer.concat(pieces).toString('utf8'),
    retryAfter: response.headers['retry-after'] ?? null,
  };
}
