import { TrainyardError } from '@trainyard/protocol';
import type { FastifyPluginAsync } from 'fastify';
import { z } from 'zod';
import { guardSocket } from '../live/guarded-socket.ts';
import { createLiveSession } from '../live/live-session.ts';
import type { ServerContext } from '../server-context.ts';
import { createRunReads } from '../store/run-reads.ts';
import { createRunStore } from '../store/runs.ts';

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
        guardSocket({ socket, request, auth: context.auth, stopping, session });
      },
    });
  };
}
