import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Its body may take as long as it comes at all; it is read as it comes. */
    streamedBody?: true;
  }
}

/** For a whole body, and of one that is streamed for its next bytes. */
const BODY_MS = 120_000;

/**
 * Ends requests whose body does not come. Node's own limit of the time of a request knows no exceptions, which large
 * files need.
 */
export function limitBodyTime(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const { raw } = request;
    if (hasBody(raw)) {
      if (request.routeOptions.config.streamedBody === true) endWhenIdle(raw);
      else endAfter(raw, BODY_MS);
    }
    done();
  });
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function endAfter(raw: IncomingMessage, ms: number): void {
  const timer = setTimeout(() => raw.destroy(), ms);
  const clear = (): void => clearTimeout(timer);
  raw.once('end', clear).once('close', clear);
}

function endWhenIdle(raw: IncomingMessage): void {
  const { socket } = raw;
  const end = (): void => {
    raw.destroy();
  };
  const clear = (): void => {
    socket.setTimeout(0);
    socket.off('timeout', end);
  };
  socket.setTimeout(BODY_MS);
  socket.once('timeout', end);
  raw.once('end', clear).once('close', clear);
}
