import {
  cloneTrainingJob,
  isTerminalRunStatus,
  jobCheckpoints,
  jobLogsPage,
  jobLogsQuery,
  jobMetricsPage,
  jobMetricsQuery,
  listJobRunsQuery,
  resumeTrainingJob,
  type StartTrainingJob,
  startTrainingJob,
  type TrainingJob,
  TrainyardError,
  trainingGpus,
  trainingJob,
  trainingJobConfig,
  trainingJobRun,
} from '@trainyard/protocol';
import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { resolveParams } from '../../definition/index.ts';
import { readSubmittedDefinition } from '../../pipelines/read-submitted.ts';
import { idempotencyKey } from '../../routes/idempotency-key.ts';
import { ownerOf } from '../../routes/request-owner.ts';
import type { ServerContext } from '../../server-context.ts';
import { createCheckpointReads } from '../../store/model-checkpoints.ts';
import { createPipelineStore } from '../../store/pipelines.ts';
import { type FoundJobRun, runOfTrainingJob, runsOfTrainingJob } from '../../store/training-job-runs.ts';
import { createTrainingJobStore } from '../../store/training-jobs.ts';
import { submitChecked } from '../../submit-checked.ts';
import { clonedJob } from './cloned-job.ts';
import { toJobCheckpoints } from './job-checkpoints.ts';
import { jobScript } from './job-script.ts';
import { findLocalJob } from './local-jobs.ts';
import { readLogView } from './log-view.ts';
import { readJobPoints } from './metric-view.ts';
import { tellTree } from './tell-tree.ts';

const idParams = z.object({ id: z.string().max(200) });
const TAGS = ['jobs'];
const READ = { access: 'read' } as const;
const WRITE = { access: 'write' } as const;
const MAX_RUNS = 100;
/** Id of a run of the job, or of its root; left out: the newest. */
const OF_RUN = { run: z.string().max(200).optional() };

/** Runs of a training job by the job: start, stop, pause, resume; log, metrics, config of its newest run. */
export function jobRunRoutes(context: ServerContext): FastifyPluginAsyncZod {
  const { database } = context;
  const jobs = createTrainingJobStore(database.kysely);
  const pipelines = createPipelineStore(database);
  const checkpoints = createCheckpointReads(database.kysely);

  const runsOf = ({ id }: TrainingJob, limit = MAX_RUNS) => runsOfTrainingJob(database.kysely, id, limit);
  const newest = async (job: TrainingJob): Promise<FoundJobRun> => {
    const [run] = await runsOf(job, 1);
    if (run !== undefined) return run;
    throw new TrainyardError('NOT_FOUND', `Training job "${job.name}" has no run yet; start one.`);
  };
  /** The run that a request names, or the newest one. */
  const chosen = async (request: { params: { id: string }; query: { run?: string | undefined } }) => {
    const job = await jobs.get(request.params.id);
    const { run: runId } = request.query;
    if (runId === undefined) return newest(job);
    const run = await runOfTrainingJob(database.kysely, job.id, runId);
    if (run !== undefined) return run;
    throw new TrainyardError(
      'NOT_FOUND',
      `Training job "${job.name}" has no run ${runId}; GET /api/v1/jobs/${job.name}/runs lists those that it has.`,
    );
  };
  const active = async (job: TrainingJob): Promise<FoundJobRun[]> =>
    (await runsOf(job)).filter(({ status }) => !isTerminalRunStatus(status));
  const start = async (
    request: FastifyRequest,
    job: TrainingJob,
    { config = {}, checkpoint }: StartTrainingJob,
    resumes?: FoundJobRun,
  ) => {
    const stage = { job: job.name, config, ...(checkpoint === undefined ? {} : { checkpoint }) };
    const definition = { name: job.name, stages: [{ name: 'train', train_model: stage }] };
    const ready = await readSubmittedDefinition({ definition }, { pipelines, maxDepth: context.maxDepth });
    const { rootId } = await submitChecked(context, {
      ...ready,
      params: resolveParams(ready.definition, {}),
      baseDir: null,
      fileName: null,
      idempotencyKey: idempotencyKey(request.headers),
      origin: {
        createdBy: await ownerOf(context.auth, request),
        ...(resumes === undefined
          ? {}
          : { resumes: { runId: resumes.runId, checkpoint: checkpoint ?? null, adjustments: config } }),
      },
    });
    const found = await findLocalJob(database.kysely, rootId);
    if (found === undefined) throw new TrainyardError('INTERNAL', `Run ${rootId} has no stage.`);
    return {
      runId: found.runId,
      rootId,
      status: found.runStatus,
      checkpoint: found.attempt?.spec.env['TRAINYARD_CHECKPOINT'] ?? null,
      createdAt: found.createdAt.toISOString(),
      endedAt: found.endedAt?.toISOString() ?? null,
    };
  };
  const tellAll = async (request: { params: { id: string } }, fact: Record<string, unknown>) => {
    const job = await jobs.get(request.params.id);
    const running = await active(job);
    if (running.length === 0) {
      throw new TrainyardError('CONFLICT', `Training job "${job.name}" has no run that goes on.`);
    }
    for (const run of running) await tellTree(context, run, fact);
    return { runs: running };
  };

  return async (app) => {
    app.post(
      '/jobs/:id/start',
      {
        config: WRITE,
        schema: {
          tags: TAGS,
          params: idParams,
          body: startTrainingJob.nullish(),
          response: { 201: trainingJobRun },
        },
      },
      async (request, reply) => {
        const job = await jobs.get(request.params.id);
        return reply.status(201).send(await start(request, job, request.body ?? {}));
      },
    );
    const listed = z.object({ runs: z.array(trainingJobRun) });
    app.post(
      '/jobs/:id/stop',
      { config: WRITE, schema: { tags: TAGS, params: idParams, response: { 202: listed } } },
      async (request, reply) =>
        reply
          .status(202)
          .send(await tellAll(request, { kind: 'cancel', reason: 'the job was stopped by a user' })),
    );
    app.post(
      '/jobs/:id/pause',
      { config: WRITE, schema: { tags: TAGS, params: idParams, response: { 202: listed } } },
      async (request, reply) =>
        reply.status(202).send(await tellAll(request, { kind: 'pause', mode: 'auto' })),
    );
    app.post(
      '/jobs/:id/resume',
      {
        config: WRITE,
        schema: {
          tags: TAGS,
          params: idParams,
          body: resumeTrainingJob.nullish(),
          response: { 201: trainingJobRun, 202: trainingJobRun },
        },
      },
      async (request, reply) => {
        const job = await jobs.get(request.params.id);
        const { checkpoint_path: path, checkpoint_step: step, latest } = request.body ?? {};
        const [running] = await active(job);
        const last = running ?? (await newest(job));
        if (running !== undefined) {
          const isPlain = path === undefined && step === undefined && latest !== true;
          if (running.status === 'paused' && isPlain) {
            await tellTree(context, running, { kind: 'resume' });
            return reply.status(202).send(running);
          }
          const message = `Run ${running.runId} of training job "${job.name}" is ${running.status}; ${isPlain ? 'only a paused one can go on' : 'stop it before another goes on from a checkpoint'}.`;
          throw new TrainyardError('CONFLICT', message);
        }
        const live = await checkpoints.live(job.id);
        const chosen =
          path ?? (step === undefined ? 'latest' : live.find((each) => each.step === step)?.path);
        const isThere = chosen === 'latest' ? live.length > 0 : live.some((each) => each.path === chosen);
        if (chosen === undefined || !isThere) {
          const what = step === undefined ? `"${chosen}"` : `of step ${step}`;
          throw new TrainyardError(
            'CONFLICT',
            `Training job "${job.name}" has no checkpoint ${what} whose files are there.`,
          );
        }
        return reply.status(201).send(await start(request, job, { checkpoint: chosen }, last));
      },
    );
    app.get(
      '/jobs/:id/runs',
      {
        config: READ,
        schema: {
          tags: TAGS,
          params: idParams,
          querystring: listJobRunsQuery,
          response: { 200: listed.extend({ nextCursor: z.string().nullable() }) },
        },
      },
      async (request) => {
        const { limit, cursor } = request.query;
        const { id } = await jobs.get(request.params.id);
        const runs = await runsOfTrainingJob(database.kysely, id, limit, cursor ?? null);
        return { runs, nextCursor: runs.length < limit ? null : runs.at(-1)!.runId };
      },
    );
    app.get(
      '/jobs/:id/available-checkpoints',
      { config: READ, schema: { tags: TAGS, params: idParams, response: { 200: jobCheckpoints } } },
      async (request) => {
        const { id, retention } = await jobs.get(request.params.id);
        return { checkpoints: toJobCheckpoints(await checkpoints.live(id), retention) };
      },
    );
    app.get(
      '/jobs/:id/logs',
      {
        config: READ,
        schema: {
          tags: TAGS,
          params: idParams,
          querystring: jobLogsQuery.extend(OF_RUN),
          response: { 200: jobLogsPage },
        },
      },
      async (request) => {
        const { limit, offset } = request.query;
        const { runId } = await chosen(request);
        const attempt = (await findLocalJob(database.kysely, runId))?.attempt;
        if (attempt == null) return { logs: [], total_lines: 0, offset: 0, limit, first_offset: 0 };
        const log = { id: attempt.id, hasEnded: attempt.endedAt !== null };
        const view = await readLogView(database, log, { offset, limit });
        return {
          ...{ logs: [...view.lines], total_lines: view.totalLines, limit },
          ...{ offset: view.offset, first_offset: view.firstOffset },
        };
      },
    );
    app.get(
      '/jobs/:id/metrics',
      {
        config: READ,
        schema: {
          tags: TAGS,
          params: idParams,
          querystring: jobMetricsQuery.extend(OF_RUN),
          response: { 200: jobMetricsPage },
        },
      },
      async (request) => {
        const { runId } = await chosen(request);
        const { limit, start_step: firstStep, end_step: lastStep } = request.query;
        const { points, nextStep } = await readJobPoints(database, runId, { limit, firstStep, lastStep });
        return { job_id: runId, metrics: points, next_step: nextStep };
      },
    );
    app.get(
      '/jobs/:id/config',
      { config: READ, schema: { tags: TAGS, params: idParams, response: { 200: trainingJobConfig } } },
      async (request) => {
        const job = await jobs.get(request.params.id);
        const [run] = await runsOf(job, 1);
        return { config: configOf(job), effective: run?.params ?? null, effectiveRunId: run?.runId ?? null };
      },
    );
    app.get(
      '/jobs/:id/script',
      { config: READ, schema: { tags: TAGS, params: idParams } },
      async (request, reply) => {
        const job = await jobs.get(request.params.id);
        return reply.type('text/plain; charset=utf-8').send(jobScript(job, configOf(job)));
      },
    );
    app.post(
      '/jobs/:id/clone',
      {
        config: WRITE,
        schema: { tags: TAGS, params: idParams, body: cloneTrainingJob, response: { 201: trainingJob } },
      },
      async (request, reply) => {
        const original = await jobs.get(request.params.id);
        const { job, isNew } = await jobs.create(clonedJob(original, request.body.name), original.baseDir);
        if (!isNew) throw new TrainyardError('CONFLICT', `"${job.name}" is taken; choose another name.`);
        return reply.status(201).send(job);
      },
    );
  };
}

/** What the program finds as its params when nothing is changed. */
function configOf(job: TrainingJob): Record<string, unknown> {
  return { ...job.config, num_gpus: trainingGpus(job.config, job) };
}
