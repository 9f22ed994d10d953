import {
  attempt as attemptSchema,
  cancelRun,
  datasetVersion,
  event,
  isTerminalRunStatus,
  listRunsQuery,
  page,
  run,
  runDefinition,
  runListItem,
  runPlan,
  runTree,
  runWait,
  startedRun,
  submitRun,
  TrainyardError,
} from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { insertFacts } from '../attempts/claim.ts';
import { readHeldUp } from '../attempts/held-up.ts';
import { readLeftBehind } from '../attempts/left-behind.ts';
import { resolveParams } from '../definition/index.ts';
import { readWaits } from '../limits/waits.ts';
import { serverWarnings } from '../orchestrator/server-warnings.ts';
import type { Submission } from '../orchestrator/submission.ts';
import { readSubmittedDefinition } from '../pipelines/read-submitted.ts';
import { resumeFrom } from '../rerun/earlier-tree.ts';
import type { ServerContext } from '../server-context.ts';
import { deleteRun } from '../store/delete-run.ts';
import { createPipelineStore } from '../store/pipelines.ts';
import { createRunReads } from '../store/run-reads.ts';
import { createRunStore } from '../store/runs.ts';
import { previewChecked, submitChecked } from '../submit-checked.ts';
import { updateTrackedRun } from '../tracking/update-run.ts';
import { idempotencyKey } from './idempotency-key.ts';
import { ownerOf } from './request-owner.ts';
import { toTree } from './tree.ts';

const idParams = z.object({ id: z.string().max(100) });
const MAX_TREE_RUNS = 100_000;

/** Submitting, reading and cancelling runs. */
export function runRoutes(context: ServerContext): FastifyPluginAsyncZod {
  const runs = createRunStore(context.database);
  const reads = createRunReads(context.database);
  const pipelines = createPipelineStore(context.database);

  return async (app) => {
    app.post(
      '/runs',
      {
        config: { access: 'write' },
        schema: {
          tags: ['runs'],
          body: submitRun,
          response: { 200: z.union([startedRun, runPlan]), 201: startedRun },
        },
      },
      async (request, reply) => {
        const { body } = request;
        const ready = await readSubmittedDefinition(body, { pipelines, maxDepth: context.maxDepth });
        const params = resolveParams(ready.definition, body.params);
        const baseDir = body.baseDir ?? null;
        const submission: Submission = {
          ...ready,
          params,
          origin: { createdBy: await ownerOf(context.auth, request) },
          baseDir,
          fileName: body.fileName ?? null,
          idempotencyKey: idempotencyKey(request.headers),
          only: body.only,
          rerunOf:
            body.resumeFrom === undefined
              ? undefined
              : await resumeFrom(context.database.kysely, body.resumeFrom),
          ...(ready.written === undefined && body.resumeFrom === undefined
            ? {}
            : { asked: askedOf(body, ready.written ?? ready.source, params) }),
          cacheBasis: body.cacheBasis,
          noCache: body.noCache,
        };
        if (body.dryRun) return reply.status(200).send(await previewChecked(context, submission));
        // Before it is stored: what is stored has to be answered.
        const warnings = await serverWarnings(context.database.kysely, ready.definition);
        const { rootId, isNew } = await submitChecked(context, submission);
        const more = warnings.length === 0 ? {} : { warnings };
        return reply.status(isNew ? 201 : 200).send({ id: rootId, ...more });
      },
    );

    app.get(
      '/runs',
      {
        config: { access: 'read' },
        schema: { tags: ['runs'], querystring: listRunsQuery, response: { 200: page(runListItem) } },
      },
      (request) => runs.list(request.query),
    );

    app.get(
      '/runs/:id',
      { config: { access: 'read' }, schema: { tags: ['runs'], params: idParams, response: { 200: run } } },
      (request) => runs.get(request.params.id),
    );

    app.get(
      '/runs/:id/tree',
      {
        config: { access: 'read' },
        schema: { tags: ['runs'], params: idParams, response: { 200: runTree } },
      },
      async (request) => {
        const { id, rootId } = await runs.get(request.params.id);
        return toTree(await runs.tree(rootId, MAX_TREE_RUNS), id);
      },
    );

    app.get(
      '/runs/:id/definition',
      {
        config: { access: 'read' },
        schema: {
          tags: ['runs'],
          params: idParams,
          response: {
            200: runDefinition,
          },
        },
      },
      async (request) => reads.definition((await runs.get(request.params.id)).rootId),
    );

    app.get(
      '/runs/:id/attempts',
      {
        config: { access: 'read' },
        schema: {
          tags: ['runs'],
          params: idParams,
          response: { 200: z.object({ items: z.array(attemptSchema) }) },
        },
      },
      async (request) => ({ items: await reads.attempts((await runs.get(request.params.id)).id) }),
    );

    app.get(
      '/runs/:id/waits',
      {
        config: { access: 'read' },
        schema: {
          tags: ['runs'],
          params: idParams,
          response: { 200: z.object({ items: z.array(runWait) }) },
        },
      },
      async (request) => {
        const { rootId } = await runs.get(request.params.id);
        const { pool } = context.database;
        const reads = [readWaits, readHeldUp, readLeftBehind];
        return { items: (await Promise.all(reads.map((read) => read(pool, rootId)))).flat() };
      },
    );

    app.post(
      '/runs/:id/cancel',
      {
        config: { access: 'write' },
        schema: { tags: ['runs'], params: idParams, body: cancelRun.default({}), response: { 202: run } },
      },
      async (request, reply) => {
        const found = await runs.get(request.params.id);
        if (isTerminalRunStatus(found.status)) {
          // Asking again for what has happened is no mistake; asking to cancel what ended otherwise is.
          if (found.status === 'cancelled') return reply.status(202).send(found);
          throw new TrainyardError(
            'CONFLICT',
            `Run ${found.id} is ${found.status} already; there is nothing to cancel.`,
          );
        }
        if (found.kind === 'external') {
          // Its program cannot be ended from here; what is told of it can be set right.
          await updateTrackedRun({ db: context.database.kysely, bus: context.bus }, found.id, {
            status: 'cancelled',
          });
          return reply.status(202).send(await runs.get(found.id));
        }
        const reason = request.body.reason ?? 'cancelled by a user';
        const fact = { kind: 'cancel', node: found.index, at: Date.now(), reason };
        await insertFacts(context.database.kysely, [{ root_id: found.rootId, event: fact }]);
        context.bus.emit('inbox');
        return reply.status(202).send(found);
      },
    );

    app.delete(
      '/runs/:id',
      {
        config: { access: 'write' },
        schema: { tags: ['runs'], params: idParams, response: { 204: z.null() } },
      },
      async (request, reply) => {
        await deleteRun(context.database.pool, request.params.id);
        return reply.status(204).send(null);
      },
    );

    app.get(
      '/runs/:id/events',
      {
        config: { access: 'read' },
        schema: {
          tags: ['runs'],
          params: idParams,
          querystring: z.object({
            afterSeq: z.coerce.number().int().min(0).default(0),
            limit: z.coerce.number().int().min(1).max(5000).default(500),
          }),
          response: { 200: z.object({ items: z.array(event), nextSeq: z.int() }) },
        },
      },
      async (request) => reads.events(await runs.get(request.params.id), request.query),
    );

    app.get(
      '/runs/:id/datasets',
      {
        config: { access: 'read' },
        schema: {
          tags: ['datasets'],
          params: idParams,
          response: { 200: z.object({ items: z.array(datasetVersion) }) },
        },
      },
      async (request) => ({ items: await reads.datasetsOf(await runs.get(request.params.id)) }),
    );
  };
}

function askedOf(
  { baseDir, files, only, noCache, resumeFrom: earlier }: z.output<typeof submitRun>,
  written: string,
  params: Record<string, unknown>,
): unknown {
  const asked = [written, params, baseDir ?? null, files, only, noCache];
  return earlier === undefined ? asked : [...asked, 'resume from', earlier];
}
