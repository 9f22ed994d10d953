import {
  jobCheckpointRecorded,
  jobCheckpoints,
  recordJobCheckpoint,
  TrainyardError,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ServerContext } from '../../server-context.ts';
import { writeCheckpoints } from '../../store/model-checkpoints.ts';
import { inTransaction } from '../../store/transaction.ts';
import { type ReportingJob, reportingJob, requireReporter, visibleJob } from './job-access.ts';
import { checkpointsOf } from './job-checkpoints.ts';
import { readLenientJson } from './lenient-json.ts';

const jobParams = z.object({ jobId: z.string().max(200) });
const TAGS = ['older systems'];
const REPORTED = { access: 'public', unstorableText: 'repair' } as const;

type Recorded = z.infer<typeof recordJobCheckpoint>;

/** Model checkpoints of a job: its worker records them as it saves them, and says which ones it has deleted. */
export function jobCheckpointRoutes(context: ServerContext): FastifyPluginAsyncZod {
  const { database } = context;

  const write = ({ job, attempt }: ReportingJob, recorded: Recorded, action: 'saved' | 'deleted') =>
    inTransaction(database.pool, 'read committed', (client) =>
      writeCheckpoints(client, [
        {
          jobId: attempt.trainingJobId,
          runId: job.runId,
          rootId: job.rootId,
          checkpoints: [{ ...toReported(recorded), action }],
        },
      ]),
    );

  return async (app) => {
    readLenientJson(app);

    app.get(
      '/local/:jobId/checkpoints',
      {
        config: { access: 'watch' },
        schema: { tags: TAGS, params: jobParams, response: { 200: jobCheckpoints } },
      },
      async (request) => ({
        checkpoints: await checkpointsOf(
          database.kysely,
          await visibleJob(context, request, request.params.jobId),
        ),
      }),
    );

    app.post(
      '/local/:jobId/checkpoints',
      {
        config: REPORTED,
        schema: {
          tags: TAGS,
          params: jobParams,
          body: recordJobCheckpoint,
          response: { 200: jobCheckpointRecorded },
        },
      },
      async (request) => {
        const reporting = await reportingJob(context, request, request.params.jobId);
        requireReporter(reporting);
        await write(reporting, request.body, 'saved');
        const all = await checkpointsOf(database.kysely, reporting.job);
        const found = all.find(({ path }) => path === request.body.path);
        if (found === undefined) {
          throw new TrainyardError(
            'CONFLICT',
            `The checkpoint "${request.body.path}" was deleted meanwhile.`,
          );
        }
        return { success: true as const, checkpoint: found };
      },
    );

    app.delete(
      '/local/:jobId/checkpoints',
      {
        config: REPORTED,
        schema: {
          tags: TAGS,
          params: jobParams,
          querystring: z.object({ path: z.string().min(1).max(4096) }),
          response: { 200: z.object({ success: z.literal(true) }) },
        },
      },
      async (request) => {
        const reporting = await reportingJob(context, request, request.params.jobId);
        requireReporter(reporting);
        await write(reporting, recordJobCheckpoint.parse({ path: request.query.path }), 'deleted');
        return { success: true as const };
      },
    );
  };
}

/** A loss that is no finite number says nothing, as with checkpoints that programs record by a file. */
function toReported({ path, step, epoch, train_loss, eval_loss, metrics, size, sha256 }: Recorded) {
  const all = Object.entries({ ...metrics, train_loss, eval_loss });
  const known = all.filter(
    (entry): entry is [string, number] => typeof entry[1] === 'number' && Number.isFinite(entry[1]),
  );
  return {
    path,
    step: step ?? null,
    epoch: epoch ?? null,
    metrics: Object.fromEntries(known),
    sizeBytes: size,
    sha256: sha256 ?? null,
  };
}
