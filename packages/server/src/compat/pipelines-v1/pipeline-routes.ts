import {
  type JsonValue,
  olderPipeline,
  olderPipelineStage,
  olderPipelineStatus,
  olderStageToCome,
  TrainyardError,
  toOlderPipelineStage,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { resolveParams } from '../../definition/index.ts';
import { readSubmittedDefinition } from '../../pipelines/read-submitted.ts';
import { readTreeRow, storedDefinition } from '../../rerun/earlier-tree.ts';
import { ownerOf } from '../../routes/request-owner.ts';
import type { ServerContext } from '../../server-context.ts';
import { deleteRun } from '../../store/delete-run.ts';
import { createPipelineStore } from '../../store/pipelines.ts';
import { createRunStore } from '../../store/runs.ts';
import { submitChecked } from '../../submit-checked.ts';
import { layerCount } from '../dag-v1/node-counts.ts';
import { readRunDetails } from '../run-details.ts';
import { tellTree } from '../training-v1/tell-tree.ts';
import { createDraft, type Draft, findDraft, listDrafts, noteStarted } from './drafts.ts';
import { stagesToCome } from './stages-to-come.ts';

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
          response: {
            200: z.object({
              pipeline: olderPipeline,
              /** Of stages that run one behind the other. */
              layers: z.int(),
              stages: z.array(olderPipelineStage.or(olderStageToCome)),
            }),
          },
        },
      },
      async (request) => {
        const { id, rootId, document, view } = await findDraft(kysely, request.params.id);
        if (rootId === null) {
          const { definition, plan } = await readDefinition(document);
          const stages = stagesToCome(id, definition, document as JsonValue);
          return { pipeline: view, layers: layerCount(plan), stages };
        }
        const layers = layerCount(storedDefinition(rootId, await readTreeRow(kysely, rootId)).plan);
        const [, ...stages] = await runs.tree(rootId, MAX_STAGES);
        const details = await readRunDetails(kysely, stages);
        return {
          pipeline: view,
          layers,
          stages: stages.map((run) => toOlderPipelineStage(run, details(run))),
        };
      },
    );
    app.post(
      '/pipelines/:id/start',
      {
        config: WRITE,
        schema: {
          tags: TAGS,
          params: idParams,
          response: { 200: olderPipeline.extend({ layers: z.int() }) },
        },
      },
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
        return { ...(await findDraft(kysely, draft.id)).view, layers: layerCount(ready.plan) };
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
        if (draft.rootId === null || draft.status === 'running') return refuse(draft, 'deleted');
        // With the run goes the pipeline.
        await deleteRun(database.pool, draft.rootId);
        return reply.status(204).send(null);
      },
    );
  };
}
