import { MONITORING, metricRow, metricRowsQuery, playbackQuery, TrainyardError } from '@trainyard/protocol';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import type { WebSocket } from 'ws';
import { z } from 'zod';
import { readPoints } from '../../ingest/index.ts';
import { guardSocket } from '../../live/guarded-socket.ts';
import type { Subscription } from '../../live/subscription.ts';
import type { ServerContext } from '../../server-context.ts';
import { readAnomalies } from '../../store/metric-anomalies.ts';
import { createRunReads } from '../../store/run-reads.ts';
import { createRunStore } from '../../store/runs.ts';
import { monitorLive } from './live-monitor.ts';
import { metricRows, stepsOf } from './metric-rows.ts';
import { type MonitorSocket, toMonitorSocket } from './monitor-socket.ts';
import { findMonitoredJob } from './monitored-job.ts';
import { playBack } from './playback.ts';

const params = z.object({ job: z.string().max(200) });

/** The monitoring of an older system: two sockets and a range query, on the metrics of the jobs of this one. */
export function olderMonitoringRoutes(context: ServerContext, stopping: AbortSignal): FastifyPluginAsyncZod {
  const { database, bus, log, auth } = context;
  const sources = { bus, database, runs: createRunStore(database), reads: createRunReads(database), log };
  return async (app) => {
    addSocket(app, 'live', { auth, stopping }, (socket, jobId) => monitorLive(sources, socket, jobId));
    addSocket(app, 'playback', { auth, stopping }, (socket, jobId, request) => {
      const query = playbackQuery.parse(request.query);
      return playBack({ database, log, socket, jobId, query });
    });
    app.get(
      '/monitoring/:job/metrics',
      {
        config: { access: 'read' },
        schema: {
          tags: ['older systems'],
          description: `Rows of metrics by step, both ends included; at most ${MONITORING.maxRows}.`,
          params,
          querystring: metricRowsQuery,
          response: { 200: z.object({ job_id: z.string(), total: z.int(), metrics: z.array(metricRow) }) },
        },
      },
      async (request) => {
        const { start_step, end_step, limit } = request.query;
        const { runId } = await findMonitoredJob(database, request.params.job);
        const range = { firstStep: start_step, lastStep: end_step };
        const series = await readPoints(database, runId, { ...range, isOfProgram: true });
        const anomalies = await readAnomalies(database, runId, start_step, end_step);
        const steps = stepsOf(series);
        const metrics = [...metricRows(series, steps.subarray(0, limit), anomalies)];
        return { job_id: request.params.job, total: steps.length, metrics };
      },
    );
  };
}

function addSocket(
  app: FastifyInstance,
  name: 'live' | 'playback',
  guard: { readonly auth: ServerContext['auth']; readonly stopping: AbortSignal },
  open: (socket: MonitorSocket, jobId: string, request: FastifyRequest) => Subscription,
): void {
  app.route({
    method: 'GET',
    url: `/monitoring/:job/${name}`,
    config: { access: 'read' },
    schema: {
      tags: ['older systems'],
      description: 'A WebSocket: see protocol/compat/monitoring-api.ts. Other requests are answered 404.',
      params,
      ...(name === 'playback' ? { querystring: playbackQuery } : {}),
      response: { 101: z.null().describe('The connection is a WebSocket from here on.') },
    },
    handler: () => {
      throw new TrainyardError('NOT_FOUND', 'Only a WebSocket is served at this address.');
    },
    wsHandler: (socket: WebSocket, request: FastifyRequest) => {
      const { job } = params.parse(request.params);
      const session = open(toMonitorSocket(socket), job, request);
      guardSocket({ socket, request, session, ...guard });
    },
  });
}
