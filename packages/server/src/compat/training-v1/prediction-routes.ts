import {
  type JobPrediction,
  jobPredictions,
  jobPredictionsPage,
  jobPredictionsQuery,
  jobPredictionsTaken,
  jobStreamQuery,
  MAX_PREDICTION_BYTES,
  TrainyardError,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ServerContext } from '../../server-context.ts';
import { reportingJob, requireReporter, visibleJob } from './job-access.ts';
import { readLenientJson } from './lenient-json.ts';
import { type FollowedLines, streamLines } from './line-stream.ts';
import { OlderRefusal } from './older-error.ts';
import { readPredictions } from './prediction-view.ts';

const jobParams = z.object({ jobId: z.string().max(200) });
const TAGS = ['older systems'];
const REPORTED = { access: 'public', unstorableText: 'repair' } as const;
const WATCH = { access: 'watch' } as const;

/** What a model answers to samples while it is trained: a trainer sends it, people read and follow it. */
export function jobPredictionRoutes(context: ServerContext, stopping: AbortSignal): FastifyPluginAsyncZod {
  const { database, ingest } = context;
  const followed: FollowedLines = {
    stream: 'predictions',
    event: 'prediction',
    async read(attempt, page) {
      const { predictions, offset, total } = await readPredictions(database, attempt, page);
      return { lines: predictions.map((each) => JSON.stringify(each)), offset, total };
    },
  };
  return async (app) => {
    readLenientJson(app);

    app.post(
      '/local/:jobId/predictions',
      {
        config: REPORTED,
        schema: {
          tags: TAGS,
          params: jobParams,
          body: jobPredictions,
          response: { 200: jobPredictionsTaken },
        },
      },
      async (request) => {
        const reporting = await reportingJob(context, request, request.params.jobId);
        requireReporter(reporting);
        const { job, attempt, isLate } = reporting;
        if (isLate) {
          const message = `Job ${job.runId} is ${attempt.status}; it takes no predictions.`;
          throw new OlderRefusal('INVALID_STATUS', message);
        }
        const { predictions, sequence } = request.body;
        const now = new Date().toISOString();
        const { lines } = await ingest.append({
          attemptId: attempt.id,
          runId: job.runId,
          rootId: job.rootId,
          attemptNumber: attempt.number,
          stream: 'predictions',
          offset: 'end',
          firstLine: sequence,
          bytes: Buffer.from(predictions.map((each, index) => toLine(each, index, now)).join('')),
        });
        return {
          success: true as const,
          predictions_appended: predictions.length,
          total_predictions: lines,
        };
      },
    );

    app.get(
      '/local/:jobId/predictions',
      {
        config: WATCH,
        schema: {
          tags: TAGS,
          params: jobParams,
          querystring: jobPredictionsQuery,
          response: { 200: jobPredictionsPage },
        },
      },
      async (request) => {
        const { attempt } = await visibleJob(context, request, request.params.jobId);
        const { limit, offset } = request.query;
        if (attempt === null) return { predictions: [], total: 0, offset: 0, limit, first_offset: 0 };
        return { ...(await readPredictions(database, attempt, { offset, limit })), limit };
      },
    );

    app.get(
      '/local/:jobId/predictions/stream',
      { config: WATCH, schema: { tags: TAGS, params: jobParams, querystring: jobStreamQuery } },
      async (request, reply) => {
        const job = await visibleJob(context, request, request.params.jobId);
        const { offset } = request.query;
        await streamLines(context, followed, { job, request, reply, offset, stopping });
      },
    );
  };
}

function toLine(prediction: JobPrediction, index: number, timestamp: string): string {
  const line = JSON.stringify({ ...prediction, timestamp });
  if (Buffer.byteLength(line) <= MAX_PREDICTION_BYTES) return `${line}\n`;
  throw new TrainyardError(
    'TOO_LARGE',
    `body/predictions/${index} is ${Buffer.byteLength(line)} bytes as JSON; at most ${MAX_PREDICTION_BYTES} are taken.`,
  );
}
