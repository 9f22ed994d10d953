import { TrainyardError } from '@trainyard/protocol';
import type { FastifyPluginAsync } from 'fastify';
import type { WebSocket } from 'ws';
import { z } from 'zod';
import { createLiveSession } from '../live/live-session.ts';
import type { ServerContext } from '../server-context.ts';
import { createRunReads } from '../store/run-reads.ts';
import { createRunStore } from '../store/runs.ts';
import { bearerToken } from './route-access.ts';

/** How often the token of an open socket is looked at again. */
const RECHECK_MS = 30_000;

/** `/api/v1/live`: the one WebSocket (protocol/live.ts). */
export function liveRoute(context: ServerContext, stopping: AbortSignal): FastifyPluginAsync {
  const sources = {
    bus: context.bus,
    database: context.database,
    runs: createRunStore(context.database),
    reads: createRunReads(context.database),
    log: context.log,
  };
  return async (app) => {
    app.route({
      method: 'GET',
      url: '/live',
      config: { access: 'read' },
      schema: {
        tags: ['live'],
        description: 'A WebSocket: see protocol/live.ts for its messages. Other requests are answered 404.',
        response: { 101: z.null().describe('The connection is a WebSocket from here on.') },
      },
      handler: () => {
        throw new TrainyardError('NOT_FOUND', 'Only a WebSocket is served at this address.');
      },
      wsHandler: (socket, request) => {
        const session = createLiveSession(socket, sources);
        // Code 1012: the server restarts; clients come back by themselves.
        const onStop = () => socket.close(1012, 'the server stops');
        stopping.addEventListener('abort', onStop);
        const { host, origin } = request.headers;
        const caller = { token: bearerToken(request), host, origin };
        const guard = guardSocket(socket, () => context.auth.check(caller, 'read'));
        const forget = context.auth.onChange(guard.look);
        socket.on('close', () => {
          guard.end();
          forget();
          stopping.removeEventListener('abort', onStop);
          session.end();
        });
      },
    });
  };
}

/**
 * Closes a socket whose token was revoked or has run out (1008, policy violation): it was let in once, and
 * may stay open for days.
 */
function guardSocket(socket: WebSocket, check: () => Promise<void>): { look(): void; end(): void } {
  const look = (): void => {
    check().catch((error: unknown) => {
      // A lost database says nothing about the token.
      if (error instanceof TrainyardError) socket.close(1008, error.code);
    });
  };
  const timer = setInterval(look, RECHECK_MS);
  return { look, end: () => clearInterval(timer) };
}
