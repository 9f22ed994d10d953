import {
  isSuccessfulRunStatus,
  isTerminalRunStatus,
  listRunsQuery,
  type OlderNode,
  olderDagEvent,
  olderNode,
  olderStatus,
  olderSummary,
  olderSummaryOf,
  type Run,
  type RunListItem,
  readRunStatus,
  type StatusCounts,
  TrainyardError,
  toOlderNode,
  toOlderStatus,
} from '@trainyard/protocol';
import type { FastifyRequest } from 'fastify';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { resolveParams } from '../../definition/index.ts';
import { readSubmittedDefinition } from '../../pipelines/read-submitted.ts';
import { idempotencyKey } from '../../routes/idempotency-key.ts';
import type { ServerContext } from '../../server-context.ts';
import { createPipelineStore } from '../../store/pipelines.ts';
import { createRunStore } from '../../store/runs.ts';
import { submitChecked } from '../../submit-checked.ts';
import { readRunDetails } from '../run-details.ts';
import { countNodes, layerCount } from './node-counts.ts';
import { readOlderEvents } from './older-events.ts';
import { waitForEnd } from './wait-for-end.ts';

const MAX_NODES = 100_000;
/** The document itself is judged by the reader of definitions, which names the place of each fault. */
const dagBody = z.record(z.string(), z.unknown());
const runQuery = z.object({ run_id: z.string().max(100) });
const limitOf = (usual: number, most: number) => z.coerce.number().int().min(1).max(most).default(usual);

const dagRun = z.object({
  run_id: z.string(),
  name: z.string(),
  status: olderStatus,
  message: z.string(),
  total: z.int(),
  success: z.int(),
  failed: z.int(),
  skipped: z.int(),
  start_ms: z.number().nullable(),
  end_ms: z.number().nullable(),
});

/** The older server's routes for DAGs, on this server's runs: start one and wait or not, list, nodes, events. */
export function olderDagRoutes(context: ServerContext, stopping: AbortSignal): FastifyPluginAsyncZod {
  const runs = createRunStore(context.database);
  const pipelines = createPipelineStore(context.database);

  const submit = async (request: FastifyRequest): Promise<{ rootId: string; layers: number }> => {
    const definition = request.body as Record<string, unknown>;
    const ready = await readSubmittedDefinition({ definition }, { pipelines, maxDepth: context.maxDepth });
    const { rootId } = await submitChecked(context, {
      ...ready,
      params: resolveParams(ready.definition, {}),
      baseDir: null,
      fileName: null,
      idempotencyKey: idempotencyKey(request.headers),
    });
    return { rootId, layers: layerCount(ready.plan) };
  };
  const nodesOf = async (nodes: readonly Run[]): Promise<OlderNode[]> => {
    const details = await readRunDetails(context.database.kysely, nodes);
    return nodes.map((run) => toOlderNode(run, details(run)));
  };
  const treeOf = async (rootId: string): Promise<Run[]> => {
    const tree = await runs.tree(rootId, MAX_NODES);
    if (tree[0]?.parentId === null) return tree;
    throw new TrainyardError('NOT_FOUND', `There is no DAG run ${rootId}.`);
  };

  return async (app) => {
    app.post(
      '/dag/run',
      {
        config: { access: 'write' },
        schema: {
          tags: ['older systems'],
          body: dagBody,
          response: {
            200: z.object({
              ok: z.boolean(),
              run_id: z.string(),
              status: olderStatus,
              message: z.string(),
              /** Of the outermost DAG. */
              layers: z.int(),
              nodes: z.array(olderNode),
              summary: olderSummary,
            }),
          },
        },
      },
      async (request) => {
        const { rootId, layers } = await submit(request);
        await waitForEnd({ bus: context.bus, runs }, rootId, AbortSignal.any([goneOf(request), stopping]));
        const [root, ...rest] = await treeOf(rootId);
        const nodes = await nodesOf(rest);
        const direct = new Set(rest.filter(({ parentId }) => parentId === rootId).map(({ id }) => id));
        return {
          ok: isSuccessfulRunStatus(root!.status),
          run_id: rootId,
          status: toOlderStatus(root!.status),
          message: root!.error?.message ?? root!.reason ?? '',
          layers,
          nodes,
          summary: olderSummaryOf(nodes.filter(({ id }) => direct.has(id))),
        };
      },
    );

    app.post(
      '/dag/run_async',
      {
        config: { access: 'write' },
        schema: {
          tags: ['older systems'],
          body: dagBody,
          response: {
            200: z.object({
              run_id: z.string(),
              layers: z.int(),
              task_ids: z.record(z.string(), z.string()),
            }),
          },
        },
      },
      async (request) => {
        const { rootId, layers } = await submit(request);
        const [, ...rest] = await treeOf(rootId);
        return {
          run_id: rootId,
          layers,
          task_ids: Object.fromEntries(rest.map(({ path, id }) => [path, id])),
        };
      },
    );

    app.get(
      '/dag/runs',
      {
        config: { access: 'read' },
        schema: {
          tags: ['older systems'],
          querystring: z.object({
            limit: limitOf(100, 500),
            status: z.string().max(50).optional(),
            cursor: listRunsQuery.shape.cursor,
          }),
          response: { 200: z.object({ runs: z.array(dagRun), next_cursor: z.string().nullable() }) },
        },
      },
      async (request) => {
        const { status: word, limit, cursor } = request.query;
        const status = word === undefined ? undefined : readRunStatus(word);
        if (word !== undefined && status === undefined) {
          throw new TrainyardError('INVALID_REQUEST', `"${word}" is not a status of a run.`);
        }
        const { items, nextCursor } = await runs.list({ limit, cursor, status });
        const counts = await countNodes(
          context.database.kysely,
          items.map(({ id }) => id),
        );
        return { runs: items.map((run) => toDagRun(run, counts.get(run.id) ?? {})), next_cursor: nextCursor };
      },
    );

    app.get(
      '/dag/task_runs',
      {
        config: { access: 'read' },
        schema: {
          tags: ['older systems'],
          querystring: runQuery.extend({ limit: limitOf(200, 1000), from: limitOf(1, MAX_NODES) }),
          response: { 200: z.object({ task_runs: z.array(olderNode), next_from: z.int().nullable() }) },
        },
      },
      async (request) => {
        const { run_id, limit, from } = request.query;
        const [, ...rest] = await treeOf(run_id);
        const items = await nodesOf(rest.slice(from - 1, from - 1 + limit));
        return { task_runs: items, next_from: from - 1 + limit < rest.length ? from + limit : null };
      },
    );

    app.get(
      '/dag/events',
      {
        config: { access: 'read' },
        schema: {
          tags: ['older systems'],
          querystring: runQuery.extend({
            limit: limitOf(200, 1000),
            after: z.coerce.number().int().min(0).default(0),
          }),
          response: { 200: z.object({ events: z.array(olderDagEvent), next_after: z.int() }) },
        },
      },
      async (request) => {
        const { run_id, limit, after } = request.query;
        const root = await runs.find(run_id);
        if (root?.parentId !== null) throw new TrainyardError('NOT_FOUND', `There is no DAG run ${run_id}.`);
        return readOlderEvents(context.database, root, { after, limit });
      },
    );
  };
}

/** With its direct nodes by status, as `summary` counts them. */
function toDagRun(run: RunListItem, stages: StatusCounts) {
  const count = (...statuses: (keyof typeof stages)[]): number =>
    statuses.reduce((sum, status) => sum + (stages[status] ?? 0), 0);
  return {
    run_id: run.id,
    name: run.name,
    status: toOlderStatus(run.status),
    message: run.error?.message ?? run.reason ?? '',
    total: Object.values(stages).reduce((sum, each) => sum + each, 0),
    success: count('completed', 'stopped'),
    failed: count('failed', 'timed_out', 'cancelled'),
    skipped: count('skipped'),
    start_ms: run.startedAt === null ? null : Date.parse(run.startedAt),
    end_ms: isTerminalRunStatus(run.status) && run.endedAt !== null ? Date.parse(run.endedAt) : null,
  };
}

/** Fires when the caller hangs up; its run goes on. */
function goneOf(request: FastifyRequest): AbortSignal {
  const gone = new AbortController();
  request.raw.socket.once('close', () => gone.abort());
  return gone.signal;
}
