import { TrainyardError } from '@trainyard/protocol';
import type { FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import { bearerToken } from '../routes/route-access.ts';
import type { ServerContext } from '../server-context.ts';

/** How often the token of an open socket is looked at again. */
const RECHECK_MS = 30_000;

/**
 * Watches over an open socket: it is closed (1008, policy violation) when its token was revoked or has run
 * out, since it was let in once and may stay open for days; and (1012) when the server stops.
 * @param session ended when the socket is closed, by whomever
 */
export function guardSocket(options: {
  readonly socket: WebSocket;
  readonly request: FastifyRequest;
  readonly auth: ServerContext['auth'];
  readonly stopping: AbortSignal;
  readonly session: { end(): void };
}): void {
  const { socket, request, auth, stopping, session } = options;
  const { host, origin } = request.headers;
  const caller = { token: bearerToken(request), host, origin };
  const look = (): void => {
    auth.check(caller, 'read').catch((error: unknown) => {
      // A lost database says nothing about the token.
      if (error instanceof TrainyardError) socket.close(1008, error.code);
    });
  };
  // Code 1012: the server restarts; clients come back by themselves.
  const onStop = (): void => socket.close(1012, 'the server stops');
  const timer = setInterval(look, RECHECK_MS);
  const forget = auth.onChange(look);
  stopping.addEventListener('abort', onStop);
  socket.on('close', () => {
    clearInterval(timer);
    forget();
    stopping.removeEventListener('abort', onStop);
    session.end();
  });
}
