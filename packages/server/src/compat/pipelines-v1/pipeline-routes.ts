import {
  olderPipeline,
  olderPipelineStage,
  olderPipelineStatus,
  TrainyardError,
  toOlderPipelineStage,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { resolveParams } from '../../definition/index.ts';
import { readSubmittedDefinition } from '../../pipelines/read-submitted.ts';
import { ownerOf } from '../../routes/request-owner.ts';
import type { ServerContext } from '../../server-context.ts';
import { deleteRun } from '../../store/delete-run.ts';
import { createPipelineStore } from '../../store/pipelines.ts';
import { createRunStore } from '../../store/runs.ts';
import { submitChecked } from '../../submit-checked.ts';
import { tellTree } from '../training-v1/tell-tree.ts';
import { createDraft, type Draft, findDraft, listDrafts, noteStarted } from './drafts.ts';

const idParams = z.object({ id: z.string().max(100) });
const MAX_STAGES = 10_000;
const TAGS = ['older systems'];
const READ = { access: 'read' } as const;
const WRITE = { access: 'write' } as const;
const offset = z.coerce.number().int().min(0).max(1_000_000).default(0);
const limit = z.coerce.number().int().min(1).max(500).default(20);

/** The older routes for pipelines: made from a stage list, started once, watched, cancelled, deleted. */
export function olderPipelineRoutes(context: ServerContext): FastifyPluginAsyncZod {
  const { database } = context;
  const { kysely } = database;
  const runs = createRunStore(database);
  const pipelines = createPipelineStore(database);
  const readDefinition = (document: Record<string, unknown>) =>
    readSubmittedDefinition({ definition: document }, { pipelines, maxDepth: context.maxDepth });
  const refuse = ({ id, status }: Draft, what: string): never => {
    throw new TrainyardError('CONFLICT', `Pipeline ${id} is ${status}; it cannot be ${what}.`);
  };

  return async (app) => {
    app.post(
      '/pipelines',
      {
        config: WRITE,
        schema: { tags: TAGS, body: z.record(z.string(), z.unknown()), response: { 201: olderPipeline } },
      },
      async (request, reply) => {
        const { definition } = await readDefinition(request.body);
        const createdBy = await ownerOf(context.auth, request);
        const draft = { name: definition.name, document: request.body, createdBy };
        return reply.status(201).send((await createDraft(kysely, draft)).view);
      },
    );
    app.get(
      '/pipelines',
      {
        config: READ,
        schema: {
          tags: TAGS,
          querystring: z.object({ status: olderPipelineStatus.optional(), offset, limit }),
          response: { 200: z.object({ items: z.array(olderPipeline), offset: z.int(), limit: z.int() }) },
        },
      },
      async ({ query }) => ({
        items: (await listDrafts(kysely, query)).map(({ view }) => view),
        offset: query.offset,
        limit: query.limit,
      }),
    );
    app.get(
      '/pipelines/:id',
      { config: READ, schema: { tags: TAGS, params: idParams, response: { 200: olderPipeline } } },
      async (request) => (await findDraft(kysely, request.params.id)).view,
    );
    app.get(
      '/pipelines/:id/status',
      {
        config: READ,
        schema: {
          tags: TAGS,
          params: idParams,
          response: { 200: z.object({ pipeline: olderPipeline, stages: z.array(olderPipelineStage) }) },
        },
      },
      async (request) => {
        const { rootId, view } = await findDraft(kysely, request.params.id);
        const tree = rootId === null ? [] : await runs.tree(rootId, MAX_STAGES);
        return { pipeline: view, stages: tree.slice(1).map(toOlderPipelineStage) };
      },
    );
    app.post(
      '/pipelines/:id/start',
      { config: WRITE, schema: { tags: TAGS, params: idParams, response: { 200: olderPipeline } } },
      async (request) => {
        const draft = await findDraft(kysely, request.params.id);
        if (draft.status !== 'pending') refuse(draft, 'started');
        const ready = await readDefinition(draft.document);
        // The key makes one run of two starts at once.
        const { rootId } = await submitChecked(context, {
          ...ready,
          params: resolveParams(ready.definition, {}),
          baseDir: null,
          fileName: null,
          idempotencyKey: `pipeline-draft ${draft.id}`,
          origin: { createdBy: await ownerOf(context.auth, request) },
        });
        if (!(await noteStarted(kysely, draft.id, rootId)))
          refuse(await findDraft(kysely, draft.id), 'started');
        return (await findDraft(kysely, draft.id)).view;
      },
    );
    app.post(
      '/pipelines/:id/cancel',
      { config: WRITE, schema: { tags: TAGS, params: idParams, response: { 202: olderPipeline } } },
      async (request, reply) => {
        const draft = await findDraft(kysely, request.params.id);
        if (draft.rootId === null || draft.status !== 'running') return refuse(draft, 'cancelled');
        const job = { rootId: draft.rootId, node: 0 };
        await tellTree(context, job, { kind: 'cancel', reason: 'cancelled by a user' });
        return reply.status(202).send(draft.view);
      },
    );
    app.delete(
      '/pipelines/:id',
      { config: WRITE, schema: { tags: TAGS, params: idParams, response: { 204: z.null() } } },
      async (request, reply) => {
        const draft = await findDraft(kysely, request.params.id);
        if (draft.status === 'running') refuse(draft, 'deleted');
        // With the run goes the pipeline.
        if (draft.rootId !== null) await deleteRun(database.pool, draft.rootId);
        else await kysely.deleteFrom('pipeline_drafts').where('id', '=', draft.id).execute();
        return reply.status(204).send(null);
      },
    );
  };
}
