import {
  listCheckpointsQuery,
  listTrainingJobsQuery,
  modelCheckpoint,
  page,
  type SaveTrainingJob,
  saveTrainingJob,
  type TrainingJobDefinition,
  TrainyardError,
  trainingJob,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { parseTrainingJob } from '../definition/training-job.ts';
import type { ServerContext } from '../server-context.ts';
import { createCheckpointReads } from '../store/model-checkpoints.ts';
import { createRunStore } from '../store/runs.ts';
import { createTrainingJobStore } from '../store/training-jobs.ts';

const idParams = z.object({ id: z.string().max(200) });
const checkpoints = z.object({ items: z.array(modelCheckpoint) });

/** Training jobs, and the model checkpoints of jobs and runs. */
export function trainingJobRoutes({ database }: ServerContext): FastifyPluginAsyncZod {
  const jobs = createTrainingJobStore(database.kysely);
  const reads = createCheckpointReads(database.kysely);
  const runs = createRunStore(database);
  return async (app) => {
    app.post(
      '/jobs',
      {
        config: { access: 'write' },
        schema: { tags: ['jobs'], body: saveTrainingJob, response: { 200: trainingJob, 201: trainingJob } },
      },
      async (request, reply) => {
        const { job, isNew } = await jobs.create(definitionOf(request.body), request.body.baseDir ?? null);
        return reply.status(isNew ? 201 : 200).send(job);
      },
    );

    app.get(
      '/jobs',
      {
        config: { access: 'read' },
        schema: { tags: ['jobs'], querystring: listTrainingJobsQuery, response: { 200: page(trainingJob) } },
      },
      (request) => jobs.list(request.query),
    );

    app.get(
      '/jobs/:id',
      {
        config: { access: 'read' },
        schema: { tags: ['jobs'], params: idParams, response: { 200: trainingJob } },
      },
      (request) => jobs.get(request.params.id),
    );

    app.put(
      '/jobs/:id',
      {
        config: { access: 'write' },
        schema: { tags: ['jobs'], params: idParams, body: saveTrainingJob, response: { 200: trainingJob } },
      },
      (request) => jobs.replace(request.params.id, definitionOf(request.body), request.body.baseDir ?? null),
    );

    app.delete(
      '/jobs/:id',
      {
        config: { access: 'write' },
        schema: { tags: ['jobs'], params: idParams, response: { 204: z.null() } },
      },
      async (request, reply) => {
        await jobs.delete(request.params.id);
        return reply.status(204).send(null);
      },
    );

    app.get(
      '/jobs/:id/checkpoints',
      {
        config: { access: 'read' },
        schema: {
          tags: ['jobs'],
          params: idParams,
          querystring: listCheckpointsQuery,
          response: { 200: checkpoints },
        },
      },
      async (request) => {
        const { id } = await jobs.get(request.params.id);
        return { items: await reads.ofJob(id, request.query) };
      },
    );

    app.get(
      '/runs/:id/checkpoints',
      {
        config: { access: 'read' },
        schema: {
          tags: ['runs'],
          params: idParams,
          querystring: listCheckpointsQuery,
          response: { 200: checkpoints },
        },
      },
      async (request) => {
        const run = await runs.get(request.params.id);
        return { items: await reads.ofRun(run, request.query) };
      },
    );
  };
}

/** @throws TrainyardError INVALID_DEFINITION with every fault */
function definitionOf(body: SaveTrainingJob): TrainingJobDefinition {
  // JSON is YAML, too.
  const checked = parseTrainingJob(body.source ?? JSON.stringify(body.definition));
  if (checked.ok) return checked.definition;
  const message = `The training job has ${checked.faults.length} faults; the first: ${checked.faults[0]!.message}`;
  throw new TrainyardError('INVALID_DEFINITION', message, { details: { faults: checked.faults } });
}
