import type { FastifyPluginAsync } from 'fastify';
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
    app.get('/live', { config: { access: 'read' }, websocket: true, schema: { hide: true } }, (socket) => {
      const session = createLiveSession(socket, sources);
      // Code 1012: the server restarts; clients come back by themselves.
      const onStop = () => socket.close(1012, 'the server stops');
      stopping.addEventListener('abort', onStop);
      socket.on('close', () => {
        stopping.removeEventListener('abort', onStop);
        session.end();
      });
    });
  };
}
