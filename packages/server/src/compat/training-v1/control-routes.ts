import {
  type ControlJob,
  controlJob,
  failureAnalysis,
  jobControlled,
  jobErrors,
  jobResumed,
  jobStatusView,
  type ResumeJob,
  resumeJob,
} from '@trainyard/protocol';
import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { resolveParams } from '../../definition/index.ts';
import { readSubmittedDefinition } from '../../pipelines/read-submitted.ts';
import { idempotencyKey } from '../../routes/idempotency-key.ts';
import { ownerOf } from '../../routes/request-owner.ts';
import type { ServerContext } from '../../server-context.ts';
import { pausedAround, standsStill } from '../../store/paused-around.ts';
import { createPipelineStore } from '../../store/pipelines.ts';
import { createRunReads } from '../../store/run-reads.ts';
import { createTrainingJobStore } from '../../store/training-jobs.ts';
import { submitChecked } from '../../submit-checked.ts';
import { analyseFailure } from './failure-analysis.ts';
import { ownedJob, visibleJob } from './job-access.ts';
import { checkpointsOf } from './job-checkpoints.ts';
import { jobErrorsOf } from './job-errors.ts';
import { jobStatusOf } from './job-view.ts';
import { findLocalJob, type LocalJob } from './local-jobs.ts';
import { readLogView } from './log-view.ts';
import { OlderRefusal } from './older-error.ts';
import { chosenCheckpoint, resumeDefinition } from './resume-submission.ts';
import { tellTree } from './tell-tree.ts';

const jobParams = z.object({ jobId: z.string().max(200) });
const TAGS = ['older systems'];
const WATCH = { access: 'watch' } as const;
const TRAIN = { access: 'train' } as const;
/** Lines from the end of the log that are looked at for the cause of a failure. */
const ANALYSED_LINES = 500;
const WORDS = { pause: 'be paused', resume: 'go on', cancel: 'be cancelled' } as const;

/** What people see and ask of a job by the older API: its status at a glance, control, resuming, what went wrong. */
export function jobControlRoutes(context: ServerContext): FastifyPluginAsyncZod {
  const { database, auth } = context;
  const reads = createRunReads(database);
  const trainingJobs = createTrainingJobStore(database.kysely);
  const pipelines = createPipelineStore(database);

  const control = async (
    job: LocalJob,
    { action, reason, checkpoint_path: path }: ControlJob,
  ): Promise<void> => {
    const isOver = job.status === 'completed' || job.status === 'failed' || job.status === 'cancelled';
    if (action === 'cancel' && job.status === 'cancelled') return;
    if (isOver || (action === 'resume' && job.status !== 'paused')) {
      throw new OlderRefusal(
        'INVALID_STATUS',
        `Job ${job.runId} is ${job.status}; it cannot ${WORDS[action]}.`,
      );
    }
    if (action === 'pause' && job.status === 'paused') return;
    if (action === 'resume') {
      const around = await pausedAround(database.kysely, job);
      const why =
        around === undefined
          ? path && 'It goes on where it stands; "resume" makes a new job from a checkpoint.'
          : standsStill(around);
      if (why) throw new OlderRefusal('INVALID_STATUS', why);
    }
    const facts = {
      cancel: { kind: 'cancel', reason: reason ?? 'cancelled by a user' },
      pause: { kind: 'pause', mode: 'auto' },
      resume: { kind: 'resume' },
    };
    await tellTree(context, job, facts[action]);
  };
  const resume = async (request: FastifyRequest, job: LocalJob, wanted: ResumeJob) => {
    if (job.attempt === null || job.status === 'running' || job.status === 'pending') {
      throw new OlderRefusal('INVALID_STATUS', `Job ${job.runId} is ${job.status}; it cannot be resumed.`);
    }
    const { attempt } = job;
    const checkpoint = chosenCheckpoint(wanted, await checkpointsOf(database.kysely, job), job.runId);
    const adjustments = wanted.config_adjustments ?? {};
    const trainingJob =
      attempt.trainingJobId === null ? undefined : await trainingJobs.find(attempt.trainingJobId);
    const definition = resumeDefinition({ ...job, attempt }, trainingJob, checkpoint, adjustments);
    const ready = await readSubmittedDefinition({ definition }, { pipelines, maxDepth: context.maxDepth });
    const { rootId } = await submitChecked(context, {
      ...ready,
      params: resolveParams(ready.definition, {}),
      baseDir: null,
      fileName: null,
      idempotencyKey: idempotencyKey(request.headers),
      origin: {
        createdBy: job.createdBy ?? (await ownerOf(auth, request)),
        resumes: { runId: job.runId, checkpoint, adjustments },
      },
    });
    const resumed = await findLocalJob(database.kysely, rootId);
    return {
      success: true as const,
      job_id: resumed?.runId ?? rootId,
      run_id: rootId,
      resumed_from: job.runId,
      checkpoint_path: checkpoint,
    };
  };

  return async (app) => {
    app.get(
      '/local/:jobId/status',
      { config: WATCH, schema: { tags: TAGS, params: jobParams, response: { 200: jobStatusView } } },
      async (request) =>
        jobStatusOf(database, await visibleJob(context, request, request.params.jobId), new Date()),
    );

    app.post(
      '/local/:jobId/control',
      {
        config: TRAIN,
        schema: { tags: TAGS, params: jobParams, body: controlJob, response: { 200: jobControlled } },
      },
      async (request) => {
        const job = await ownedJob(context, request, request.params.jobId);
        const { action } = request.body;
        await control(job, request.body);
        return { success: true as const, job_id: job.runId, action, status: job.status };
      },
    );

    app.post(
      '/local/:jobId/resume',
      {
        config: TRAIN,
        schema: {
          tags: TAGS,
          params: jobParams,
          body: resumeJob.nullish(),
          response: { 200: jobResumed },
        },
      },
      async (request) =>
        resume(
          request,
          await ownedJob(context, request, request.params.jobId),
          request.body ?? { resume_from_best: false },
        ),
    );

    app.post(
      '/local/:jobId/analyze-failure',
      {
        config: WATCH,
        schema: {
          tags: TAGS,
          params: jobParams,
          body: z.unknown().optional(),
          response: { 200: failureAnalysis },
        },
      },
      async (request) => {
        const job = await visibleJob(context, request, request.params.jobId);
        if (job.status !== 'failed') {
          const message = `Job ${job.runId} is ${job.status}; only a failed one can be analysed.`;
          throw new OlderRefusal('INVALID_STATUS', message);
        }
        const message = job.error?.message ?? '';
        const lines = [message, ...(await logEnd(job))];
        const { adjustments, ...finding } = analyseFailure(lines, job.attempt?.spec.params ?? {});
        return { job_id: job.runId, status: job.status, ...finding, config_adjustments: adjustments };
      },
    );

    app.get(
      '/local/:jobId/errors',
      { config: WATCH, schema: { tags: TAGS, params: jobParams, response: { 200: jobErrors } } },
      async (request) => {
        const job = await visibleJob(context, request, request.params.jobId);
        return { errors: jobErrorsOf(await reads.attempts(job.runId), await logEnd(job)) };
      },
    );
  };

  async function logEnd({ attempt }: LocalJob): Promise<readonly string[]> {
    if (attempt === null) return [];
    const log = { id: attempt.id, hasEnded: attempt.endedAt !== null };
    const { totalLines } = await readLogView(database, log, { offset: 0, limit: 1 });
    const offset = Math.max(0, totalLines - ANALYSED_LINES);
    return (await readLogView(database, log, { offset, limit: ANALYSED_LINES })).lines;
  }
}
