import { TrainyardError } from '@trainyard/protocol';
import type { FastifyInstance } from 'fastify';
import type { WebSocket } from 'ws';

/** How long requests that are being answered may take when the server stops. */
const REQUESTS_MS = 1000;
/** How long clients of the live feed may take to answer the end of their connection. */
const SOCKETS_MS = 250;

/**
 * Lets the requests that are being answered end before the app closes, and refuses new ones meanwhile:
 * after `close` nobody asks the database any more.
 */
export function drainBeforeClose(app: FastifyInstance, stopping: AbortSignal): void {
  let open = 0;
  let onIdle: () => void = () => {};
  app.addHook('onRequest', async (request, reply) => {
    if (stopping.aborted) {
      reply.header('connection', 'close');
      throw new TrainyardError('UNAVAILABLE', 'The server is stopping. Try again when it is back.');
    }
    // The connection of a WebSocket outlives its request.
    if (request.headers.upgrade !== undefined) return;
    open += 1;
    reply.raw.once('close', () => {
      open -= 1;
      if (open === 0) onIdle();
    });
  });
  app.addHook('preClose', async () => {
    if (open === 0) return;
    await new Promise<void>((resolve) => {
      const timeout = setTimeout(resolve, REQUESTS_MS);
      onIdle = () => {
        clearTimeout(timeout);
        resolve();
      };
    });
  });
}

/** Ends the sockets of the live feed; those whose client does not answer are cut off. */
export async function endSockets(sockets: ReadonlySet<WebSocket>): Promise<void> {
  const open = [...sockets];
  for (const socket of open) socket.close(1012, 'the server stops');
  let timeout: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timeout = setTimeout(resolve, SOCKETS_MS);
  });
  const closed = open.map((socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())));
  await Promise.race([Promise.all(closed), late]);
  clearTimeout(timeout);
  for (const socket of open) socket.terminate();
}
