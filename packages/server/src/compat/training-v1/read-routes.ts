import {
  jobLogsPage,
  jobLogsQuery,
  jobMetricsPage,
  jobMetricsQuery,
  jobStreamQuery,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ServerContext } from '../../server-context.ts';
import { visibleJob } from './job-access.ts';
import { type FollowedLines, streamLines } from './line-stream.ts';
import { readLogView } from './log-view.ts';
import { readJobPoints } from './metric-view.ts';

const jobParams = z.object({ jobId: z.string().max(200) });
const VISIBLE = { access: 'watch' } as const;
const TAGS = ['older systems'];

/** Log and metrics of a job, as the older API gave them. */
export function jobReadRoutes(context: ServerContext, stopping: AbortSignal): FastifyPluginAsyncZod {
  const { database } = context;
  const followed: FollowedLines = {
    stream: 'log',
    event: 'log',
    async read({ id, endedAt }, page) {
      const view = await readLogView(database, { id, hasEnded: endedAt !== null }, page);
      const lines = view.lines.map((line) => JSON.stringify({ line }));
      return { lines, offset: view.offset, total: view.totalLines };
    },
  };
  return async (app) => {
    app.get(
      '/local/:jobId/logs',
      {
        config: VISIBLE,
        schema: { tags: TAGS, params: jobParams, querystring: jobLogsQuery, response: { 200: jobLogsPage } },
      },
      async (request) => {
        const { attempt } = await visibleJob(context, request, request.params.jobId);
        const { offset, limit } = request.query;
        if (attempt === null) return { logs: [], total_lines: 0, offset: 0, limit, first_offset: 0 };
        const log = { id: attempt.id, hasEnded: attempt.endedAt !== null };
        const view = await readLogView(database, log, { offset, limit });
        return {
          logs: [...view.lines],
          total_lines: view.totalLines,
          offset: view.offset,
          limit,
          first_offset: view.firstOffset,
        };
      },
    );

    app.get(
      '/local/:jobId/logs/stream',
      { config: VISIBLE, schema: { tags: TAGS, params: jobParams, querystring: jobStreamQuery } },
      async (request, reply) => {
        const job = await visibleJob(context, request, request.params.jobId);
        const { offset } = request.query;
        await streamLines(context, followed, { job, request, reply, offset, stopping });
      },
    );

    app.get(
      '/local/:jobId/metrics',
      {
        config: VISIBLE,
        schema: {
          tags: TAGS,
          params: jobParams,
          querystring: jobMetricsQuery,
          response: { 200: jobMetricsPage },
        },
      },
      async (request) => {
        const { runId } = await visibleJob(context, request, request.params.jobId);
        const { limit, start_step: firstStep, end_step: lastStep } = request.query;
        const { points, nextStep } = await readJobPoints(database, runId, { limit, firstStep, lastStep });
        return { job_id: runId, metrics: points, next_step: nextStep };
      },
    );
  };
}
